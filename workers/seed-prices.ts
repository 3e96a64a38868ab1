import path from "node:path";
import type { Logger } from "pino";
import type { Queryable } from "#activities/pricebooks/port.ts";
import { loadPriceFile } from "#activities/pricebooks/postgres.ts";
import { readPriceFile, readSeedFiles } from "#activities/pricebooks/price-file.ts";

const SEED_FOLDER = path.join(import.meta.dirname, "../config/prices");

/** Loads the bundled prices, then the file that goes over them. Loading what is loaded changes nothing. */
export async function loadPrices(database: Queryable, pricesFile: string | null, log: Pick<Logger, "info">): Promise<void> {
	const seeds = readSeedFiles(SEED_FOLDER).map((file) => ({ file, origin: "seed" as const }));
	const own = pricesFile === null ? [] : [{ file: readPriceFile(pricesFile), origin: "file" as const }];
	for (const { file, origin } of [...seeds, ...own]) {
		const loaded = await loadPriceFile(database, file, origin, "npm start");
		if (loaded.kind === "loaded") log.info({ source: file.source, version: loaded.version, lines: loaded.lineCount }, "prices loaded");
	}
}
