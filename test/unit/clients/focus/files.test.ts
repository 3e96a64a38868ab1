import { appendFile, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from "hyparquet";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ExportedRow, ROWS_PER_GROUP, writeCsv, writeParquet } from "#clients/focus/files.ts";
import { validateFocusFile } from "#clients/focus/validate.ts";
import { type FocusCharge, toFocusRow } from "#domain/focus/charge.ts";

let folder: string;
beforeAll(async () => {
	folder = await mkdtemp(path.join(tmpdir(), "tollgate-focus-"));
});
afterAll(() => rm(folder, { recursive: true }));

const CHARGE: FocusCharge = {
	...{
		kind: "usage",
		teamId: "search",
		provider: "openai",
		model: "gpt-4o",
		askedModel: "gpt-4o",
		feature: "=HYPERLINK(1)",
		userId: null,
		keyId: "key_1",
		environment: null,
		runId: null,
	},
	...{ calls: "3", inputTokens: "300", outputTokens: "15", amountNanoUsd: "123456789012345678" },
};
const row = (change: Partial<FocusCharge> = {}): ExportedRow => toFocusRow({ ...CHARGE, ...change }, { day: "2026-10-05", billingAccount: "organization" });
const ROWS = [row(), row({ kind: "adjustment", calls: "0", amountNanoUsd: "-1" }), row({ model: null, askedModel: null, teamId: null, amountNanoUsd: "7" })];
const fileOf = (name: string) => path.join(folder, name);
async function* each(rows: Iterable<ExportedRow>): AsyncGenerator<ExportedRow> {
	yield* rows;
}

describe.each([
	["csv", writeCsv],
	["parquet", writeParquet],
] as const)("a file in %s", (format, write) => {
	test("that we wrote is FOCUS 1.2, row by row", async () => {
		expect(await write(fileOf(`ours.${format}`), each(ROWS))).toBe(3);
		expect(await validateFocusFile(fileOf(`ours.${format}`), 10)).toEqual({ format, rows: 3, problemCount: 0, problems: [] });
	});

	test("without rows is one too", async () => {
		expect(await write(fileOf(`none.${format}`), each([]))).toBe(0);
		expect(await validateFocusFile(fileOf(`none.${format}`), 10)).toMatchObject({ format, rows: 0, problemCount: 0 });
	});

	test("of many rows is written and judged in parts; problems are counted, and the first kept", async () => {
		const many = 2 * ROWS_PER_GROUP + 1;
		const rows = Array.from({ length: many }, (_, n) => ({ ...row(), ...(n % 2 === 1 && { ChargeCategory: "Nothing" }), x_UserId: `user-${n}` }));
		expect(await write(fileOf(`many.${format}`), each(rows))).toBe(many);
		const judged = await validateFocusFile(fileOf(`many.${format}`), 2);
		expect(judged).toMatchObject({ rows: many, problemCount: ROWS_PER_GROUP, problems: [{ row: 2, column: "ChargeCategory" }, { row: 4 }] });
	});

	test("that could not be written to its end is not there", async () => {
		async function* broken(): AsyncGenerator<ExportedRow> {
			yield row();
			throw new Error("the system went away");
		}
		await expect(write(fileOf(`broken.${format}`), broken())).rejects.toThrow("the system went away");
		expect((await readdir(folder)).filter((name) => name.startsWith("broken"))).toEqual([]);
	});
});

test("a Parquet file has decimals, times, objects and nulls, and amounts to the nano-dollar", async () => {
	await writeParquet(fileOf("types.parquet"), each(ROWS));
	const file = await asyncBufferFromFile(fileOf("types.parquet"));
	const { schema } = await parquetMetadataAsync(file);
	expect(schema.find(({ name }) => name === "BilledCost")).toMatchObject({
		type: "INT64",
		converted_type: "DECIMAL",
		precision: 18,
		scale: 9,
		repetition_type: "REQUIRED",
	});
	const [first, second, third] = await parquetReadObjects({ file });
	expect(first).toMatchObject({ ChargePeriodStart: new Date("2026-10-05T00:00:00Z"), Tags: { team: "search" }, x_Feature: "=HYPERLINK(1)", ChargeClass: null });
	expect([second?.["BilledCost"], second?.["ChargeClass"], third?.["SubAccountId"]]).toEqual([-1e-9, "Correction", null]);
});

test("a CSV file has no text that a spreadsheet would run", async () => {
	await writeCsv(fileOf("formula.csv"), each(ROWS));
	expect(await readFile(fileOf("formula.csv"), "utf8")).toContain(",'=HYPERLINK(1),");
});

describe("a file of others", () => {
	const HEAD =
		"BilledCost,BillingAccountId,BillingAccountName,BillingCurrency,BillingPeriodEnd,BillingPeriodStart,ChargeCategory,ChargeClass,ChargeDescription,ChargePeriodEnd,ChargePeriodStart,ContractedCost,EffectiveCost,InvoiceIssuerName,ListCost,PricingQuantity,PricingUnit,ProviderName,PublisherName,ServiceCategory,ServiceName";
	const LINE = "1.5,a,A,USD,2026-11-01T00:00:00Z,2026-10-01T00:00:00Z,Usage,,x,2026-10-06T00:00:00Z,2026-10-05T00:00:00Z,1,1,i,1,2,Hours,p,p,Compute,vm";

	async function judge(text: string) {
		await writeFile(fileOf("other.csv"), text);
		const { rows, problems } = await validateFocusFile(fileOf("other.csv"), 10);
		return [rows, ...problems.map(({ row: at, column, problem }) => `${at} ${column} ${problem}`)];
	}

	test("with nothing but the mandatory columns is FOCUS, also from a spreadsheet", async () => {
		expect(await judge(`${HEAD}\n${LINE}\n`)).toEqual([1]);
		expect(await judge(`\uFEFF${HEAD}\r\n${LINE}\r\n`)).toEqual([1]);
	});

	test("is told of each problem with column and row", async () => {
		const shuffled = `${LINE.replace("1.5", "abc")}\n${LINE.replace("Usage", "Used")}\n${LINE.replace("USD", "")}\n${LINE},extra\n`;
		expect(await judge(`${HEAD.replace("ListCost", "Listcost")}\n${LINE}\n${shuffled}`)).toEqual([
			5,
			"null ListCost is mandatory and missing",
			"null Listcost is no column of FOCUS 1.2; one of your own begins with x_",
			'2 BilledCost is "abc", and must be a decimal number like -3.5',
			'3 ChargeCategory is "Used", and must be one of Usage, Purchase, Tax, Credit, Adjustment',
			"4 BillingCurrency is null, and must not be",
			"5 ServiceName the row has 22 cells in place of 21",
		]);
	});

	test.each([
		["", "it is empty"],
		[`${HEAD}\n"1.5`, "it cannot be read as CSV after 0 rows"],
	])("that is none (%j) is told so", async (text, problem) => {
		await writeFile(fileOf("none.csv"), text);
		await expect(validateFocusFile(fileOf("none.csv"), 10)).rejects.toThrow(problem);
	});

	test("that is cut, or is not there, is told so", async () => {
		await writeParquet(fileOf("cut.parquet"), each(ROWS));
		await truncate(fileOf("cut.parquet"), 500);
		await expect(validateFocusFile(fileOf("cut.parquet"), 10)).rejects.toThrow("it cannot be read as Parquet after 0 rows");
		await appendFile(fileOf("cut.parquet"), "PAR1");
		await expect(validateFocusFile(fileOf("cut.parquet"), 10)).rejects.toThrow("it cannot be read as Parquet");
		await expect(validateFocusFile(fileOf("nothing"), 10)).rejects.toThrow("ENOENT");
		await expect(validateFocusFile(folder, 10)).rejects.toThrow("EISDIR");
	});
});
