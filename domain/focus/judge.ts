import { readJson } from "../text/read-json.ts";
import { FOCUS_COLUMNS, type FocusColumn } from "./columns.ts";

/** What is wrong with a data set that calls itself FOCUS 1.2: with its columns, and with one row. Rules that need more than one row, or a provider's word, are not judged. */
export type FocusProblem = { readonly column: string; readonly problem: string };

/** As a CSV file has it, text; as a Parquet file has it, of any type. null: no value. */
export type FocusValue = string | number | bigint | boolean | Date | null | object;
export type FocusRow = Readonly<Record<string, FocusValue | undefined>>;

const SHOWN_MAX = 60;
/** Numeric Format: no sign in front of what is positive, no plus in the exponent. */
const NUMBER = /^-?\d+(\.\d+)?(E-?\d+)?$/i;
const INSTANT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z$/;

export function judgeColumns(columns: readonly string[]): readonly FocusProblem[] {
	const known = new Set(columns);
	const missing = Object.entries(FOCUS_COLUMNS).flatMap(([column, { level }]) =>
		level === "Mandatory" && !known.has(column) ? [{ column, problem: "is mandatory and missing" }] : [],
	);
	const twice = [...new Set(columns.filter((column, index) => columns.indexOf(column) < index))];
	const foreign = [...known].filter((column) => FOCUS_COLUMNS[column] === undefined && !column.startsWith("x_"));
	return [
		...missing,
		...twice.map((column) => ({ column, problem: "stands twice" })),
		...foreign.map((column) => ({ column, problem: "is no column of FOCUS 1.2; one of your own begins with x_" })),
	];
}

export function judgeRow(row: FocusRow): readonly FocusProblem[] {
	const problems: FocusProblem[] = [];
	for (const [column, rule] of Object.entries(FOCUS_COLUMNS)) {
		const value = row[column];
		if (value === undefined) continue;
		const problem = value === null ? (rule.allowsNull ? undefined : "is null, and must not be") : valueProblem(value, rule);
		if (problem !== undefined) problems.push({ column, problem });
	}
	return problems.length > 0 ? problems : acrossColumns(row);
}

function valueProblem(value: NonNullable<FocusValue>, rule: FocusColumn): string | undefined {
	const typed = typeProblem(value, rule);
	if (typed !== undefined) return typed;
	if (rule.allowed !== undefined && !rule.allowed.some((allowed) => allowed === value))
		return `is ${shown(value)}, and must be one of ${rule.allowed.join(", ")}`;
	if (rule.isCurrency && !/^[A-Z]{3}$/.test(String(value))) return `is ${shown(value)}, and must be a currency like USD`;
	if (rule.isNotNegative && String(value).startsWith("-")) return `is ${shown(value)}, and must not be negative`;
	return undefined;
}

function typeProblem(value: NonNullable<FocusValue>, { type, allowsNull }: FocusColumn): string | undefined {
	switch (type) {
		case "Decimal":
			if (typeof value === "number" && Number.isFinite(value)) return undefined;
			return typeof value === "bigint" || (typeof value === "string" && NUMBER.test(value))
				? undefined
				: `is ${shown(value)}, and must be a decimal number like -3.5`;
		case "Date/Time":
			if (value instanceof Date) return Number.isNaN(value.getTime()) ? "is no time" : undefined;
			return typeof value === "string" && INSTANT.test(value) && !Number.isNaN(Date.parse(value))
				? undefined
				: `is ${shown(value)}, and must be a time like 2026-10-01T00:00:00Z`;
		case "JSON":
			return isKeyValue(value) ? undefined : `is ${shown(value)}, and must be a JSON object of numbers, texts, true, false and null`;
		case "String":
			if (typeof value !== "string") return `is ${shown(value)}, and must be a text`;
			return !allowsNull && value.trim() === "" ? "is empty, and must not be" : undefined;
	}
}

/** Key-Value Format: an object, flat. Parquet files may have it parsed. */
function isKeyValue(value: NonNullable<FocusValue>): boolean {
	const object = typeof value === "string" ? parsed(value) : value;
	if (typeof object !== "object" || object === null || Array.isArray(object) || object instanceof Date) return false;
	return Object.values(object).every((item: unknown) => item === null || ["number", "bigint", "string", "boolean"].includes(typeof item));
}

function parsed(text: string): unknown {
	try {
		return readJson(text);
	} catch (error) {
		if (error instanceof SyntaxError) return undefined;
		throw error;
	}
}

/** The rules of null, and of time, between columns. What a file lacks is not judged. */
function acrossColumns(row: FocusRow): readonly FocusProblem[] {
	const { ChargeCategory: category, ChargeClass: chargeClass = null } = row;
	const isPriced = (category === "Usage" || category === "Purchase") && chargeClass !== "Correction";
	const priced = ["ContractedUnitPrice", "ListUnitPrice", "PricingCategory", "PricingQuantity", "SkuId", "SkuPriceId"];
	const why = isPriced ? `is null, and must not be where ChargeCategory is ${String(category)}` : "has a value, and must be null where ChargeCategory is Tax";
	return [
		...priced.filter((column) => (isPriced ? row[column] === null : category === "Tax" && isThere(row[column]))).map((column) => ({ column, problem: why })),
		...consumptionProblems(row, isPriced),
		...together(row, [
			["PricingQuantity", "PricingUnit"],
			["ConsumedQuantity", "ConsumedUnit"],
			["CommitmentDiscountId", "CommitmentDiscountCategory"],
			["SubAccountId", "SubAccountType"],
		]),
		...(isThere(row["SkuMeter"]) && row["SkuId"] === null ? [{ column: "SkuMeter", problem: "has a value, and must be null where SkuId is" }] : []),
		...(isThere(row["SkuPriceDetails"]) && row["SkuPriceId"] === null
			? [{ column: "SkuPriceDetails", problem: "has a value, and must be null where SkuPriceId is" }]
			: []),
		...(category === "Purchase" && row["ChargeFrequency"] === "Usage-Based"
			? [{ column: "ChargeFrequency", problem: "is Usage-Based, and must not be of a Purchase" }]
			: []),
		...ordered(row, "ChargePeriodStart", "ChargePeriodEnd"),
		...ordered(row, "BillingPeriodStart", "BillingPeriodEnd"),
	];
}

function consumptionProblems(
	{ ChargeCategory: category, CommitmentDiscountStatus: status, ConsumedQuantity: quantity }: FocusRow,
	isPriced: boolean,
): FocusProblem[] {
	const isConsumed = category === "Usage" && status !== "Unused";
	if (!isConsumed && isThere(quantity)) return [{ column: "ConsumedQuantity", problem: "has a value, and must be null where nothing was used" }];
	return isConsumed && isPriced && quantity === null ? [{ column: "ConsumedQuantity", problem: "is null, and must not be where ChargeCategory is Usage" }] : [];
}

function together(row: FocusRow, pairs: readonly (readonly [string, string])[]): FocusProblem[] {
	return pairs.flatMap(([first, second]) => {
		if (row[first] === undefined || row[second] === undefined || isThere(row[first]) === isThere(row[second])) return [];
		return [
			{
				column: second,
				problem: isThere(row[second]) ? `has a value, and must be null where ${first} is` : `is null, and must not be where ${first} has a value`,
			},
		];
	});
}

function ordered(row: FocusRow, start: string, end: string): FocusProblem[] {
	const [from, to] = [row[start], row[end]];
	if (!isThere(from) || !isThere(to) || instant(from) < instant(to)) return [];
	return [{ column: end, problem: `is ${shown(to)}, and must be after ${start}` }];
}

function instant(value: FocusValue): number {
	return value instanceof Date ? value.getTime() : Date.parse(String(value));
}

function isThere(value: FocusValue | undefined): value is NonNullable<FocusValue> {
	return value !== null && value !== undefined;
}

function shown(value: NonNullable<FocusValue>): string {
	const text =
		value instanceof Date
			? value.toISOString()
			: typeof value === "object"
				? JSON.stringify(value)
				: typeof value === "string"
					? JSON.stringify(value)
					: String(value);
	return text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX - 1)}…` : text;
}
