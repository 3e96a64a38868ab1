import { Button, Stack, Text, TextInput } from "@mantine/core";
import { getRouteApi } from "@tanstack/react-router";
import { useAnswer } from "../../api/use-answer.ts";
import { formatCount } from "../../format/money.ts";
import { type Column, DataTable } from "../../frame/data-table.tsx";
import { Money } from "../../frame/money.tsx";
import { Section } from "../../frame/page.tsx";
import { Answered, Empty } from "../../frame/states.tsx";
import { CheckPrice } from "./check-price.tsx";
import { linesOf, matches, type PriceLine, type Rate, ratesOf } from "./price-line.ts";

const route = getRouteApi("/keys");

/** Price lines in force, and what a usage costs by them. */
export function Prices() {
	const prices = useAnswer("/admin/v1/prices", { query: {} }, { topics: ["prices"] });
	return (
		<Stack gap="md">
			<CheckPrice lines={linesOf(prices.data?.lines ?? [])} />
			<Section title="Prices in force">
				<Answered query={prices} what="Prices" isEmpty={({ lines }) => lines.length === 0} empty={<NoPrices />}>
					{({ version, lines }) => <PriceList version={version} lines={linesOf(lines)} />}
				</Answered>
			</Section>
		</Stack>
	);
}

type Row = { readonly line: PriceLine; readonly rate: Rate; readonly isFirst: boolean };

function PriceList({ version, lines }: { readonly version: number; readonly lines: readonly PriceLine[] }) {
	const { find = "" } = route.useSearch();
	const navigate = route.useNavigate();
	const found = find === "" ? lines : lines.filter((line) => matches(line, find));
	const rows = found.flatMap((line): Row[] => ratesOf(line).map((rate, index) => ({ line, rate, isFirst: index === 0 })));
	return (
		<Stack gap="sm">
			<TextInput
				label="Search"
				description="Provider, model or alias"
				maw={360}
				value={find}
				onChange={(event) => {
					const text = event.currentTarget.value;
					void navigate({ search: (search) => ({ ...search, find: text === "" ? undefined : text }), replace: true });
				}}
			/>
			<Text size="sm" c="dimmed" role="status">
				{formatCount(found.length)} of {formatCount(lines.length)} models, price book version {version}; USD per million tokens
			</Text>
			{rows.length === 0 ? (
				<Empty title="No model is called that.">A model without a price is not called. An operator sets one: npx tollgate price set --help</Empty>
			) : (
				<DataTable caption="Prices in force, USD per million tokens" columns={COLUMNS} rows={rows} rowKey={rowKey} minWidth={820} />
			)}
		</Stack>
	);
}

function rowKey({ line, rate }: Row): string {
	return `${line.provider} ${line.model} ${rate.key}`;
}

function priceColumn(name: string, head: string): Column<Row> {
	return { key: name, head, isNumber: true, cell: ({ rate }) => <Money nanoUsd={rate.prices[name] ?? "0"} /> };
}

const COLUMNS: readonly Column<Row>[] = [
	{ key: "model", head: "Model", cell: ({ line, isFirst }) => (isFirst ? <Model line={line} /> : "") },
	{ key: "tier", head: "Tier", cell: ({ rate }) => <Tier rate={rate} /> },
	priceColumn("input", "Input"),
	priceColumn("cachedInput", "Cached"),
	priceColumn("cacheWrite5m", "Cache write"),
	priceColumn("output", "Output"),
	{ key: "check", head: "Check", cell: ({ line, isFirst }) => (isFirst ? <CheckButton line={line} /> : "") },
];

function Model({ line: { model, provider, aliases } }: { readonly line: PriceLine }) {
	return (
		<>
			{model}
			<Text size="xs" c="dimmed" className="name">
				{[provider, ...aliases].join(", ")}
			</Text>
		</>
	);
}

function Tier({ rate: { tier, aboveInputTokens } }: { readonly rate: Rate }) {
	return aboveInputTokens === 0 ? (
		tier
	) : (
		<>
			{tier}
			<Text size="xs" c="dimmed">
				above {formatCount(aboveInputTokens)} input tokens
			</Text>
		</>
	);
}

function CheckButton({ line: { model, provider } }: { readonly line: PriceLine }) {
	const navigate = route.useNavigate();
	return (
		<Button
			size="compact-sm"
			variant="default"
			aria-label={`Check what ${model} costs`}
			onClick={() => {
				void navigate({ search: (search) => ({ ...search, model, provider }) });
				document.getElementById("check")?.scrollIntoView();
			}}
		>
			Check
		</Button>
	);
}

function NoPrices() {
	return (
		<Empty title="No price is in force.">
			Without prices nothing can be called. <code>npx tollgate price import</code> loads them.
		</Empty>
	);
}
