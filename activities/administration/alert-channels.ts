import { checkChannelAddress } from "#activities/alerts/address-guard.ts";
import type { AlertSender } from "#activities/alerts/sender.ts";
import type { Queryable } from "#activities/keys/port.ts";
import type { Alert } from "#domain/alerts/alert.ts";
import {
	type AlertChannel,
	type AlertRoute,
	CHANNEL_NAME_PATTERN,
	checkAlertRoutes,
	checkSecretPlaces,
	type KeptPlaceProblem,
} from "#domain/alerts/channel.ts";
import type { FieldProblem } from "#domain/budget/scope.ts";
import { ORGANIZATION_ID } from "#domain/budget/scope.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { requireTeam } from "./read-teams.ts";

/** A channel with its name. It names where secrets stand and holds none, so it may be shown. */
export type NamedAlertChannel = AlertChannel & { readonly name: string };
export type TeamAlertRoute = AlertRoute & { readonly teamId: string };

const CHANNELS = "SELECT name, kind, config FROM tollgate.alert_channel ORDER BY name";
const ROUTES = 'SELECT team_id AS "teamId", channel, kinds FROM tollgate.alert_route WHERE $1::text IS NULL OR team_id = $1 ORDER BY team_id, id';

type ChannelRow = { readonly name: string; readonly kind: AlertChannel["kind"]; readonly config: Omit<AlertChannel, "kind"> };

/** All channels and all routes. */
export async function listAlertChannels(database: Queryable): Promise<{ channels: NamedAlertChannel[]; routes: TeamAlertRoute[] }> {
	const { rows: channels } = await database.query<ChannelRow>(CHANNELS);
	const { rows: routes } = await database.query<TeamAlertRoute>(ROUTES, [null]);
	return { channels: channels.map(({ config, ...named }) => ({ ...config, ...named, allowPrivate: config.allowPrivate ?? false })), routes };
}

const SET_CHANNEL = `
	WITH changed AS (
		INSERT INTO tollgate.alert_channel (name, kind, config) VALUES ($1, $2, $3)
		ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, config = excluded.config, free_at = '-infinity' RETURNING name
	)
	SELECT tollgate.record_change('alert_channel', name, $4, $3::jsonb || jsonb_build_object('kind', $2::text)) FROM changed`;

/** Makes a channel, or sets it as a whole. @throws CostControlError "admin.invalid" naming the field. */
export async function setAlertChannel(
	database: Queryable,
	named: { readonly name: string; readonly channel: unknown; readonly keptPlaceProblem: KeptPlaceProblem },
	adminName: string,
): Promise<NamedAlertChannel> {
	const { name } = named;
	const nameProblem = CHANNEL_NAME_PATTERN.test(name)
		? []
		: [{ field: "name", problem: "is no channel name (lower-case letters, digits, dot, _ and -, at most 63)" }];
	const checked = checkChannelAddress(named.channel, "channel");
	if (checked.kind === "invalid") throw invalid([...nameProblem, ...checked.problems]);
	const kept = checkSecretPlaces(checked.value, named.keptPlaceProblem).map(({ field, problem }) => ({ field: `channel.${field}`, problem }));
	if (nameProblem.length + kept.length > 0) throw invalid([...nameProblem, ...kept]);
	const { kind, ...config } = checked.value;
	await database.query(SET_CHANNEL, [name, kind, JSON.stringify(config), adminName]);
	return { name, ...checked.value };
}

const REMOVE_CHANNEL = `
	WITH removed AS (DELETE FROM tollgate.alert_channel WHERE name = $1 RETURNING name)
	SELECT tollgate.record_change('alert_channel', name, $2, '{"isRemoved": true}') FROM removed`;
const ROUTED_BY = "SELECT DISTINCT team_id FROM tollgate.alert_route WHERE channel = $1 ORDER BY team_id LIMIT 10";

/** What waits for it is never told. @throws CostControlError "admin.not_found", "admin.conflict" while a route names it. */
export async function removeAlertChannel(database: Queryable, name: string, adminName: string): Promise<void> {
	const routedBy = (await database.query<{ team_id: string }>(ROUTED_BY, [name])).rows.map(({ team_id }) => team_id);
	if (routedBy.length > 0)
		throw new CostControlError("admin.conflict", `Channel ${name} is named by the routes of ${routedBy.join(", ")}: take it out of them first.`);
	if ((await database.query(REMOVE_CHANNEL, [name, adminName])).rows.length === 0) throw noChannel(name);
}

const SET_ROUTES = `
	WITH removed AS (DELETE FROM tollgate.alert_route WHERE team_id = $1), added AS (
		INSERT INTO tollgate.alert_route (team_id, channel, kinds)
		SELECT $1, r.channel, ARRAY(SELECT jsonb_array_elements_text(r.kinds)) FROM jsonb_to_recordset($2::jsonb) AS r (channel text, kinds jsonb)
		RETURNING 1
	)
	SELECT tollgate.record_change('alert_route', $1, $3, jsonb_build_object('routes', $2::jsonb)) FROM (SELECT count(*) FROM added) done`;

/** Sets all routes of a team, or of "@organization", which is told of every team. @throws CostControlError "admin.invalid" naming the field, "admin.not_found". */
export async function setAlertRoutes(
	database: Queryable,
	owner: { readonly teamId: string; readonly routes: unknown },
	adminName: string,
): Promise<readonly TeamAlertRoute[]> {
	const { teamId } = owner;
	await requireTeam(database, teamId);
	const names = new Set((await database.query<ChannelRow>(CHANNELS)).rows.map(({ name }) => name));
	const checked = checkAlertRoutes(owner.routes, names, "routes");
	if (checked.kind === "invalid") throw invalid(checked.problems);
	await database.query(SET_ROUTES, [teamId, JSON.stringify(checked.value), adminName]);
	return checked.value.map((route) => ({ teamId, ...route }));
}

const READ_CHANNEL = "SELECT name, kind, config FROM tollgate.alert_channel WHERE name = $1";
const NOW = "SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now_ms, gen_random_uuid()::text AS id";

/** What became of a test. */
export type ChannelTest = { readonly isDelivered: boolean /** What the receiver said, or why nothing came back. */; readonly said: string };

/** Sends a test alert now, past the outbox, and says what the receiver answered. @throws CostControlError "admin.not_found". */
export async function testAlertChannel(database: Queryable, sender: AlertSender, name: string, adminName: string): Promise<ChannelTest> {
	const row = (await database.query<ChannelRow>(READ_CHANNEL, [name])).rows[0];
	if (!row) throw noChannel(name);
	const now = (await database.query<{ now_ms: number; id: string }>(NOW)).rows[0];
	const alert: Alert = {
		id: `alr_test_${now?.id ?? ""}`,
		atMs: now?.now_ms ?? 0,
		teamId: ORGANIZATION_ID,
		subject: "",
		kind: "test",
		severity: "info",
		isFiring: false,
		ends: [],
		detail: { requestedBy: adminName },
	};
	const outcome = await sender.send(row, alert, { mayHaveArrived: false });
	return { isDelivered: outcome.kind === "delivered", said: outcome.said };
}

function noChannel(name: string): CostControlError {
	return new CostControlError("admin.not_found", `There is no alert channel ${name}. Those there are: npx tollgate alerts channels`);
}

function invalid(problems: readonly FieldProblem[]): CostControlError {
	return new CostControlError("admin.invalid", problems.map(({ field, problem }) => `${field}: ${problem}`).join("; "), {
		details: { field: problems[0]?.field ?? null },
	});
}
