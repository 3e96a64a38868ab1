import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { priceLineFromJson, priceLineToJson } from "#domain/pricing/line-codec.ts";
import { makePriceBook, PriceBookConflict } from "#domain/pricing/make-price-book.ts";
import type { PriceLine } from "#domain/pricing/price-book.ts";
import { readJson } from "#domain/text/read-json.ts";
import type { DatedPriceLine, PriceFile } from "./port.ts";

const SEED_FILE = /^(?<provider>[a-z0-9-]+)-(?<date>\d{4}-\d{2}-\d{2})\.json$/;
const INSTANT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,3})?(Z|[+-]\d{2}:\d{2})$/;
const SOURCE = /^[\x20-\x7e]{1,200}$/;

/** The newest `<provider>-<date>.json` of each provider in a folder, in provider order. */
export function readSeedFiles(folder: string): readonly PriceFile[] {
	const newest = new Map<string, string>();
	for (const name of readdirSync(folder).sort()) {
		const provider = SEED_FILE.exec(name)?.groups?.["provider"];
		if (provider !== undefined) newest.set(provider, name);
	}
	return [...newest.values()].map((name) => readPriceFile(path.join(folder, name)));
}

/**
 * Reads and checks one file of prices.
 * @throws CostControlError "admin.invalid" naming the file, the line and the field.
 */
export function readPriceFile(file: string): PriceFile {
	return parsePriceFile(readFileSync(file, "utf8"), file);
}

/** The same from text; `name` is what error messages call it. */
export function parsePriceFile(text: string, name: string): PriceFile {
	const json = parse(text, name);
	const { source, lines } = json;
	const unknown = Object.keys(json).find((field) => field !== "source" && field !== "lines");
	if (unknown !== undefined) throw invalid(name, unknown, "is not a field of a price file (source, lines)");
	if (typeof source !== "string" || !SOURCE.test(source)) throw invalid(name, "source", "must say where the prices come from");
	if (!Array.isArray(lines) || lines.length === 0) throw invalid(name, "lines", "must be a non-empty list");
	const dated = lines.map((entry, index) => readEntry(entry, name, `lines[${index}]`));
	refuseDuplicates(dated, name);
	return { source, lines: dated, checksum: checksumOf(dated) };
}

/** Decodes a line that came from outside. @throws CostControlError "admin.invalid" naming the field. */
export function readLine(value: unknown, name: string, prefix: string): PriceLine {
	const decoded = priceLineFromJson(value);
	if (decoded.kind === "line") return decoded.line;
	throw invalid(name, decoded.field === "" ? prefix : `${prefix}.${decoded.field}`, decoded.message);
}

/** @throws CostControlError "admin.invalid" unless undefined or a full instant with an offset. */
export function readEffectiveFrom(value: unknown, name: string, field: string): string | undefined {
	if (value === undefined) return undefined;
	if (typeof value !== "string" || !INSTANT.test(value) || Number.isNaN(Date.parse(value))) {
		throw invalid(name, field, "must be an instant with an offset, e.g. 2026-12-01T00:00:00Z");
	}
	return value;
}

export function checksumOf(lines: readonly DatedPriceLine[]): string {
	const content = lines.map(({ line, effectiveFrom }) => [effectiveFrom ?? null, priceLineToJson(line)]);
	return createHash("sha256").update(JSON.stringify(content)).digest("hex");
}

function parse(text: string, name: string): Readonly<Record<string, unknown>> {
	let json: unknown;
	try {
		json = readJson(text);
	} catch (cause) {
		throw new CostControlError("admin.invalid", `${name} is not JSON`, { cause });
	}
	if (typeof json !== "object" || json === null || Array.isArray(json))
		throw new CostControlError("admin.invalid", `${name} is not an object with source and lines`);
	return json as Record<string, unknown>;
}

function readEntry(entry: unknown, name: string, at: string): DatedPriceLine {
	if (typeof entry !== "object" || entry === null || Array.isArray(entry)) throw invalid(name, at, "must be an object with a line");
	const { effectiveFrom, line, ...rest } = entry as Record<string, unknown>;
	const [unknown] = Object.keys(rest);
	if (unknown !== undefined) throw invalid(name, `${at}.${unknown}`, "is not one of effectiveFrom, line");
	return { line: readLine(line, name, `${at}.line`), effectiveFrom: readEffectiveFrom(effectiveFrom, name, `${at}.effectiveFrom`) };
}

/** One line per model and date, and no id that two models of a provider claim. */
function refuseDuplicates(lines: readonly DatedPriceLine[], name: string): void {
	const seen = new Set<string>();
	for (const { line, effectiveFrom } of lines) {
		const key = JSON.stringify([line.provider, line.model, effectiveFrom ?? null]);
		if (seen.has(key)) throw invalid(name, `${line.provider}/${line.model}`, "is priced twice for the same date");
		seen.add(key);
	}
	refuseClaimedTwice(
		lines.map(({ line }) => line),
		name,
	);
}

/**
 * Every id belongs to one model, whatever dates are still to come: a collision that waits for its
 * date would take the book away from running gateways.
 * @throws CostControlError "admin.conflict" naming the id and both models.
 */
export function refuseClaimedTwice(lines: readonly PriceLine[], name: string): void {
	const byModel = new Map<string, PriceLine>();
	for (const line of lines) {
		const key = JSON.stringify([line.provider, line.model]);
		const aliases = new Set([...(byModel.get(key)?.aliases ?? []), ...line.aliases]);
		byModel.set(key, { ...line, aliases: [...aliases] });
	}
	try {
		makePriceBook(0, [...byModel.values()]);
	} catch (error) {
		if (!(error instanceof PriceBookConflict)) throw error;
		const [first, second] = error.models;
		throw new CostControlError(
			"admin.conflict",
			`${name}: ${error.provider} id ${error.id} belongs to ${first} already and cannot belong to ${second} too; take it out of one of them`,
			{ cause: error },
		);
	}
}

function invalid(name: string, field: string, message: string): CostControlError {
	return new CostControlError("admin.invalid", `${name}: ${field} ${message}`, { details: { field } });
}
