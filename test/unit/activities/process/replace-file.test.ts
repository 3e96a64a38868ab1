import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { replaceFile } from "#activities/process/replace-file.ts";

/** What reaches the disk, and the end of the process after so many steps: whatever would come later is not done, and a write half. */
const disk = vi.hoisted(() => ({ steps: [] as string[], stepsLeft: Number.POSITIVE_INFINITY, paths: new Map<number, string>() }));

vi.mock("node:fs", async (importOriginal) => {
	const fs = await importOriginal<typeof import("node:fs")>();
	const step = (name: string): void => {
		if (disk.stepsLeft-- <= 0) throw new Error("crash");
		disk.steps.push(name);
	};
	return {
		...fs,
		openSync: (file: string, flags: string, mode?: number) => {
			step(`open ${path.basename(file)} ${flags}`);
			const descriptor = fs.openSync(file, flags, mode);
			disk.paths.set(descriptor, path.basename(file));
			return descriptor;
		},
		writeSync: (descriptor: number, bytes: Buffer, offset: number) => {
			if (disk.stepsLeft === 0) fs.writeSync(descriptor, bytes, offset, 1);
			step(`write ${disk.paths.get(descriptor)}`);
			return fs.writeSync(descriptor, bytes, offset);
		},
		fsyncSync: (descriptor: number) => {
			step(`sync ${disk.paths.get(descriptor)}`);
			fs.fsyncSync(descriptor);
		},
		renameSync: (from: string, to: string) => {
			step(`rename ${path.basename(from)} ${path.basename(to)}`);
			fs.renameSync(from, to);
		},
	};
});

let folder: string;
const file = () => path.join(folder, "epoch");

beforeEach(() => {
	folder = mkdtempSync(path.join(tmpdir(), "tollgate-replace-"));
	writeFileSync(file(), "41\n");
	Object.assign(disk, { steps: [], stepsLeft: Number.POSITIVE_INFINITY });
});

afterEach(() => rmSync(folder, { recursive: true }));

test("the text is on the disk before its name is, and the name before anybody goes on", () => {
	replaceFile(file(), "42\n");
	expect(readFileSync(file(), "utf8")).toBe("42\n");
	expect(statSync(file()).mode & 0o777).toBe(0o600);
	const folderName = path.basename(folder);
	expect(disk.steps).toEqual(["open epoch.new w", "write epoch.new", "sync epoch.new", "rename epoch.new epoch", `open ${folderName} r`, `sync ${folderName}`]);
});

test("a crash at any step leaves the text before or the new one, and the next replacement works", () => {
	const found: string[] = [];
	for (let stepsLeft = 0; stepsLeft < 6; stepsLeft++) {
		disk.stepsLeft = stepsLeft;
		expect(() => replaceFile(file(), "42\n")).toThrow("crash");
		found.push(readFileSync(file(), "utf8"));
		disk.stepsLeft = Number.POSITIVE_INFINITY;
		replaceFile(file(), "41\n");
		expect(readFileSync(file(), "utf8")).toBe("41\n");
	}
	expect(found).toEqual(["41\n", "41\n", "41\n", "41\n", "42\n", "42\n"]);
});
