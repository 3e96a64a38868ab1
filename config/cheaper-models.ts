import { readFileSync } from "node:fs";
import { z } from "zod";

const fileSchema = z.strictObject({ note: z.string(), models: z.record(z.string(), z.record(z.string(), z.string())) });

/** By provider and model, the cheaper model that simple work is priced at in the audit. */
export type CheaperModels = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** `config/cheaper-models.json`. @throws ZodError where it is not of that form. */
export function readCheaperModels(): CheaperModels {
	return fileSchema.parse(JSON.parse(readFileSync(new URL("cheaper-models.json", import.meta.url), "utf8"))).models;
}
