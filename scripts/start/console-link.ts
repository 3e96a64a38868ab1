import { readFile } from "node:fs/promises";

const TIMEOUT_MS = 5_000;

/** What a start says of the console; null where the administration server has none. */
export async function describeConsole({ admin, adminKeyFile }: { readonly admin: string; readonly adminKeyFile: string }): Promise<string | null> {
	try {
		const page = await fetch(`${admin}/console/`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
		await page.arrayBuffer();
		if (page.status !== 200 && page.status !== 503) return null;
		const link = await askForLink(admin, (await readFile(adminKeyFile, "utf8")).trim());
		const isBuilt = page.status === 200 ? "" : "   (not built yet: npm run build:console)";
		return link === null ? `${admin}/console/   sign in with an admin key${isBuilt}` : `${link}   opens once, within 10 minutes${isBuilt}`;
	} catch (error) {
		// The system is up all the same, and another link is one command away.
		return `${admin}/console/   no link could be made (${error instanceof Error ? error.message : String(error)}); npx tollgate console prints one`;
	}
}

/** null: the key of this home was revoked, by people who have others. */
async function askForLink(admin: string, adminKey: string): Promise<string | null> {
	const answer = await fetch(`${admin}/admin/v1/console-links`, {
		method: "POST",
		headers: { authorization: `Bearer ${adminKey}`, "content-type": "application/json" },
		body: "{}",
		signal: AbortSignal.timeout(TIMEOUT_MS),
	});
	if (answer.status === 401 || answer.status === 403) return null;
	if (answer.status !== 201) throw new Error(`the administration API answered ${answer.status}`);
	const { path } = (await answer.json()) as { readonly path: string };
	return `${admin}${path}`;
}
