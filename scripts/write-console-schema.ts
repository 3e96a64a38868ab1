import { readFileSync, writeFileSync } from "node:fs";
import openapiTypescript, { astToString, type OpenAPI3 } from "openapi-typescript";
import { describeAdministrationApi } from "../gateway/administration/openapi.ts";
import { ADMINISTRATION_ROUTES } from "../gateway/administration/routes.ts";

/** Writes `console/api/schema.ts`, the types of the administration API as the console asks it, from the routes themselves; a test fails when they disagree. */

const SCHEMA_FILE = new URL("../console/api/schema.ts", import.meta.url);
const HEADER = "// Written by scripts/write-reference-docs.ts from the routes of /admin/v1; not edited by hand.\n\n";

export async function renderConsoleSchema(): Promise<string> {
	const document = describeAdministrationApi(ADMINISTRATION_ROUTES) as unknown as OpenAPI3;
	return `${HEADER}${astToString(await openapiTypescript(document, { alphabetize: false }))}`;
}

export function readConsoleSchema(): string {
	return readFileSync(SCHEMA_FILE, "utf8");
}

export async function writeConsoleSchema(): Promise<void> {
	writeFileSync(SCHEMA_FILE, await renderConsoleSchema());
}
