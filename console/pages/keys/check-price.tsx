import { Alert, Autocomplete, Button, Group, Select, SimpleGrid, Stack, Text, TextInput } from "@mantine/core";
import { getRouteApi } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { api, unwrap } from "../../api/client.ts";
import { useChange } from "../../api/use-answer.ts";
import { formatMoney } from "../../format/money.ts";
import { type Column, DataTable } from "../../frame/data-table.tsx";
import { Count, Money } from "../../frame/money.tsx";
import { Section } from "../../frame/page.tsx";
import { type Addend, addendsOf, type PriceLine } from "./price-line.ts";

const route = getRouteApi("/keys");
const TIERS = ["standard", "batch", "flex", "priority"] as const;
const COUNTS = [
	{ name: "inputTokens", label: "Input tokens" },
	{ name: "cachedInputTokens", label: "Of it from the cache" },
	{ name: "outputTokens", label: "Output tokens" },
] as const;
type Counts = Readonly<Record<(typeof COUNTS)[number]["name"], string>>;
type Checked = Awaited<ReturnType<typeof check>>;

/** What a usage costs by the prices in force, and how that is made. */
export function CheckPrice({ lines }: { readonly lines: readonly PriceLine[] }) {
	const { model = "", provider } = route.useSearch();
	const navigate = route.useNavigate();
	const [tier, setTier] = useState<(typeof TIERS)[number]>("standard");
	const [usage, setUsage] = useState<Counts>({ inputTokens: "10000", cachedInputTokens: "0", outputTokens: "1000" });
	const checking = useChange([], check);
	const submit = (event: FormEvent): void => {
		event.preventDefault();
		checking.mutate({ model: model.trim(), tier, usage: countsOf(usage), ...(provider !== undefined && { provider }) });
	};
	return (
		<Section title="What a usage costs">
			<form id="check" onSubmit={submit}>
				<Stack gap="sm">
					<SimpleGrid cols={{ base: 1, xs: 2, md: 5 }} spacing="sm" verticalSpacing="sm">
						<Autocomplete
							label="Model"
							required
							data={[...new Set(lines.map((line) => line.model))]}
							limit={50}
							value={model}
							onChange={(value) =>
								void navigate({ search: (search) => ({ ...search, model: value === "" ? undefined : value, provider: undefined }), replace: true })
							}
						/>
						<Select label="Tier" data={[...TIERS]} value={tier} onChange={(value) => value !== null && setTier(value as typeof tier)} />
						{COUNTS.map(({ name, label }) => (
							<TextInput
								key={name}
								label={label}
								inputMode="numeric"
								pattern="\d{1,10}"
								title="A whole number"
								required
								value={usage[name]}
								onChange={(event) => setUsage({ ...usage, [name]: event.currentTarget.value })}
							/>
						))}
					</SimpleGrid>
					<Group gap="md">
						<Button type="submit" loading={checking.isPending} disabled={model.trim() === ""}>
							Check
						</Button>
						<Text size="sm" c="dimmed">
							Input counts what comes from the cache, output counts reasoning.
						</Text>
					</Group>
				</Stack>
			</form>
			{checking.error !== null && (
				<Alert role="alert" variant="outline" color="red" mt="sm" title="Not priced">
					<Text size="sm" className="name">
						{checking.error.message}
					</Text>
				</Alert>
			)}
			{checking.data !== undefined && <Cost checked={checking.data} />}
		</Section>
	);
}

function countsOf(usage: Counts): Readonly<Record<string, number>> {
	return Object.fromEntries(Object.entries(usage).map(([name, text]) => [name, Number(text)]));
}

type Asked = { readonly model: string; readonly provider?: string; readonly tier: (typeof TIERS)[number]; readonly usage: Readonly<Record<string, number>> };

async function check(body: Asked) {
	return unwrap(await api.POST("/admin/v1/prices/check", { body }));
}

function Cost({ checked: { costNanoUsd, lines, provider, model, priceTier, priceVersion } }: { readonly checked: Checked }) {
	const addends = addendsOf(lines);
	return (
		<Stack gap="xs" mt="md">
			<Text role="status">
				<Text span fw={600} size="lg">
					<Money nanoUsd={costNanoUsd} />
				</Text>{" "}
				<Text span size="sm" c="dimmed" className="name">
					for one call of {model} of {provider}, tier {priceTier}, price book version {priceVersion}
				</Text>
			</Text>
			{addends.length > 0 && <DataTable caption="How the cost is made" columns={COLUMNS} rows={addends} rowKey={nameOf} minWidth={320} />}
		</Stack>
	);
}

const COLUMNS: readonly Column<Addend>[] = [
	{ key: "what", head: "What", cell: nameOf },
	{ key: "quantity", head: "How many", isNumber: true, cell: ({ quantity }) => <Count count={quantity} /> },
	{ key: "price", head: "Price", isNumber: true, cell: (line) => <Price line={line} /> },
	{
		key: "cost",
		head: "Cost",
		isNumber: true,
		cell: ({ nanoUsd }) => <span title={`${nanoUsd} nano-USD`}>{formatMoney(BigInt(nanoUsd.split(".")[0] ?? "0"))}</span>,
	},
];

const CLASSES: Readonly<Record<string, string>> = {
	input: "Input",
	cachedInput: "Input from the cache",
	cacheWrite5m: "Written to the cache for 5 minutes",
	cacheWrite1h: "Written to the cache for an hour",
	output: "Output",
	reasoning: "Reasoning",
};

function nameOf(line: Addend): string {
	return "tool" in line ? line.tool : (CLASSES[line.tokenClass] ?? line.tokenClass);
}

function Price({ line }: { readonly line: Addend }) {
	return "tool" in line ? (
		<>
			<Money nanoUsd={line.nanoUsdPerCall} /> a call
		</>
	) : (
		<>
			<Money nanoUsd={line.nanoUsdPerMillion} /> a million
		</>
	);
}
