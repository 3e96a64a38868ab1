import { execFile } from "node:child_process";
import { copyFile, mkdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { applyEdit, type Mutant } from "#test/mutants/mutant.ts";

const execute = promisify(execFile);

/** A copy of the files under version control, as they are in the work tree, beside the installed packages. */
export class SourceCopy {
	readonly folder: string;

	private constructor(folder: string) {
		this.folder = folder;
	}

	/** @throws Error outside of a git work tree: what belongs to the source is git's to say. */
	static async make(project: string, folder: string): Promise<SourceCopy> {
		const { stdout } = await execute("git", ["ls-files", "-z"], { cwd: project, maxBuffer: 1 << 26 });
		// The embedded PostgreSQL of root runs as another user, who has to pass.
		await mkdir(folder, { recursive: true, mode: 0o755 });
		for (const file of stdout.split("\0").filter((name) => name !== "")) await copyTracked(path.join(project, file), path.join(folder, file));
		await symlink(path.join(project, "node_modules"), path.join(folder, "node_modules"));
		return new SourceCopy(folder);
	}

	/** Runs `work` on the mutated source; the copy is as before afterwards. */
	async withMutant<Result>(mutant: Mutant, work: () => Promise<Result>): Promise<Result> {
		const file = path.join(this.folder, mutant.file);
		const text = await readFile(file, "utf8");
		await writeFile(file, applyEdit(text, mutant));
		try {
			return await work();
		} finally {
			await writeFile(file, text);
		}
	}
}

/** What was deleted in the work tree and not committed yet is no part of the source any more. */
async function copyTracked(from: string, to: string): Promise<void> {
	const found = await stat(from).catch((error: NodeJS.ErrnoException) => {
		if (error.code === "ENOENT") return undefined;
		throw error;
	});
	if (!found?.isFile()) return;
	await mkdir(path.dirname(to), { recursive: true });
	await copyFile(from, to);
}
