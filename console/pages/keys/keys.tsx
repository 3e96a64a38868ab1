import { Button, Group, Text } from "@mantine/core";
import { getRouteApi } from "@tanstack/react-router";
import { useState } from "react";
import { mayOperate } from "../../api/rights.ts";
import { useSession } from "../../api/session.ts";
import { useAnswer } from "../../api/use-answer.ts";
import { type Column, DataTable } from "../../frame/data-table.tsx";
import { Section, Status } from "../../frame/page.tsx";
import { Answered, Empty } from "../../frame/states.tsx";
import { TextLink } from "../../frame/text-link.tsx";
import { useNow } from "../../frame/use-now.ts";
import { useTeam } from "../../frame/use-team.ts";
import { HowLong, When } from "../../frame/when.tsx";
import { CreateDialog } from "./create-dialog.tsx";
import type { Key, NewSecret } from "./key.ts";
import { stateOf } from "./key-state.ts";
import { RevokeDialog } from "./revoke-dialog.tsx";
import { RotateDialog } from "./rotate-dialog.tsx";
import { SecretDialog } from "./secret-dialog.tsx";

const route = getRouteApi("/keys");
const KEYS_A_PAGE = 100;

type Open = { readonly kind: "create" } | { readonly kind: "rotate" | "revoke"; readonly key: Key } | { readonly kind: "secret"; readonly made: NewSecret };

/** Virtual keys, and for operators making, rotating and revoking them. */
export function Keys() {
	const team = useTeam();
	const { after } = route.useSearch();
	const isOperator = mayOperate(useSession());
	const [open, setOpen] = useState<Open | null>(null);
	const query = { limit: KEYS_A_PAGE, ...(team !== undefined && { teamId: team }), ...(after !== undefined && { afterId: after }) };
	const answer = useAnswer("/admin/v1/keys", { query }, { topics: ["keys"], keepsPrevious: true });
	const close = (): void => setOpen(null);
	const show = (made: NewSecret): void => setOpen({ kind: "secret", made });
	return (
		<Section title="Virtual keys" actions={isOperator && <Button onClick={() => setOpen({ kind: "create" })}>Create a key</Button>}>
			<Answered query={answer} what="Keys" isEmpty={({ keys }) => keys.length === 0} empty={<NoKeys isOperator={isOperator} />}>
				{({ keys }) => (
					<>
						<KeyTable keys={keys} hasTeams={team === undefined} onOpen={isOperator ? setOpen : undefined} />
						<Pages keys={keys} />
					</>
				)}
			</Answered>
			{open?.kind === "create" && <CreateDialog team={team} onMade={show} onClose={close} />}
			{open?.kind === "rotate" && <RotateDialog virtualKey={open.key} onMade={show} onClose={close} />}
			{open?.kind === "revoke" && <RevokeDialog virtualKey={open.key} onClose={close} />}
			{open?.kind === "secret" && <SecretDialog made={open.made} onClose={close} />}
		</Section>
	);
}

type KeyTableProps = { readonly keys: readonly Key[]; readonly hasTeams: boolean; readonly onOpen: ((open: Open) => void) | undefined };

function KeyTable({ keys, hasTeams, onOpen }: KeyTableProps) {
	const columns: readonly Column<Key>[] = [
		{ key: "id", head: "Key", cell: (key) => <Named virtualKey={key} /> },
		...(hasTeams ? [{ key: "team", head: "Team", cell: ({ teamId }: Key) => teamId }] : []),
		{ key: "for", head: "Charged to", cell: (key) => attributionOf(key) },
		{ key: "may", head: "May ask for", cell: (key) => rightsOf(key) },
		{ key: "state", head: "State", cell: (key) => <State virtualKey={key} /> },
		{ key: "made", head: "Made", cell: ({ createdAt, createdBy }) => <Made at={createdAt} by={createdBy} /> },
		...(onOpen === undefined ? [] : [{ key: "actions", head: "Actions", cell: (key: Key) => <Actions virtualKey={key} onOpen={onOpen} /> }]),
	];
	return <DataTable caption="Virtual keys" columns={columns} rows={keys} rowKey={({ id }) => id} minWidth={960} />;
}

function Named({ virtualKey: { id, rotatedFrom } }: { readonly virtualKey: Key }) {
	return (
		<>
			<span className="code">{id}</span>
			{rotatedFrom !== null && (
				<Text size="xs" c="dimmed">
					after <span className="code">{rotatedFrom}</span>
				</Text>
			)}
		</>
	);
}

function attributionOf({ feature, userId, environment, mayAssert }: Key): string {
	const named = [
		...(feature === null ? [] : [`feature ${feature}`]),
		...(userId === null ? [] : [`user ${userId}`]),
		...(environment === null ? [] : [environment]),
		...(mayAssert.length === 0 ? [] : [`the caller names ${mayAssert.join(" and ")}`]),
	];
	return named.length === 0 ? "the team" : named.join(", ");
}

function rightsOf({ models, endpoints, requiresRun }: Key): string {
	const parts = [
		models === null ? "all models" : models.length === 0 ? "no model" : models.join(", "),
		...(endpoints === null ? [] : [`by ${endpoints.join(", ")}`]),
	];
	return [...parts, ...(requiresRun ? ["in runs"] : [])].join("; ");
}

function State({ virtualKey }: { readonly virtualKey: Key }) {
	const { tone, words, at } = stateOf(virtualKey, useNow());
	return (
		<Status tone={tone}>
			{words} {at !== null && <HowLong iso={at} />}
		</Status>
	);
}

function Made({ at, by }: { readonly at: string; readonly by: string }) {
	return (
		<>
			<When iso={at} />
			<Text size="xs" c="dimmed">
				by {by}
			</Text>
		</>
	);
}

function Actions({ virtualKey, onOpen }: { readonly virtualKey: Key; readonly onOpen: (open: Open) => void }) {
	if (stateOf(virtualKey, useNow()).isEnded) return null;
	return (
		<Group gap="xs" wrap="nowrap">
			<Button size="compact-sm" variant="default" aria-label={`Rotate ${virtualKey.id}`} onClick={() => onOpen({ kind: "rotate", key: virtualKey })}>
				Rotate
			</Button>
			<Button size="compact-sm" variant="default" aria-label={`Revoke ${virtualKey.id}`} onClick={() => onOpen({ kind: "revoke", key: virtualKey })}>
				Revoke
			</Button>
		</Group>
	);
}

function Pages({ keys }: { readonly keys: readonly Key[] }) {
	const { after } = route.useSearch();
	const last = keys.at(-1);
	return (
		<Group gap="md">
			{after !== undefined && (
				<TextLink size="sm" to="/keys">
					First page
				</TextLink>
			)}
			{keys.length === KEYS_A_PAGE && last !== undefined && (
				<TextLink size="sm" to="/keys" search={{ after: last.id }}>
					Next page
				</TextLink>
			)}
		</Group>
	);
}

function NoKeys({ isOperator }: { readonly isOperator: boolean }) {
	return (
		<Empty title="There is no key here.">
			{isOperator ? "A team calls models with a virtual key; create one for it." : "An operator creates virtual keys, with which a team calls models."}
		</Empty>
	);
}
