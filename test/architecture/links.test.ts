import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { listProjectFiles, PROJECT_FOLDER } from "#test/support/project-files.ts";

const LINK = /\[[^\]]*\]\(([^)\s]+)(?:\s+"[^"]*")?\)/g;

function findBrokenLinks(file: string, text: string): string[] {
	const prose = text.replace(/```[\s\S]*?```/g, "").replace(/`[^`\n]*`/g, "");
	return [...prose.matchAll(LINK)]
		.map(([, target = ""]) => target)
		.filter((target) => !/^[a-z]+:/i.test(target))
		.filter((target) => !isThere(file, target))
		.map((target) => `${file} -> ${target}`);
}

function isThere(file: string, target: string): boolean {
	const [linked = "", anchor] = target.split("#");
	const linkedFile = linked === "" ? file : path.posix.join(path.posix.dirname(file), decodeURIComponent(linked));
	const absolute = path.join(PROJECT_FOLDER, linkedFile);
	if (!existsSync(absolute)) return false;
	return anchor === undefined || !linkedFile.endsWith(".md") || listAnchors(readFileSync(absolute, "utf8")).includes(anchor);
}

/** GitHub's rule: lower case, punctuation dropped, spaces to hyphens. */
function listAnchors(text: string): string[] {
	const headings = [...text.replace(/```[\s\S]*?```/g, "").matchAll(/^#{1,6}\s+(.+)$/gm)].map(([, heading = ""]) => heading);
	return headings.map((heading) =>
		heading
			.trim()
			.toLowerCase()
			.replace(/[^\p{L}\p{N}\s_-]/gu, "")
			.replace(/\s/g, "-"),
	);
}

test("every link in the documents leads to a file, and to a heading where it names one", () => {
	const documents = listProjectFiles([".md"]);
	expect(documents.length).toBeGreaterThan(0);
	expect(documents.flatMap((file) => findBrokenLinks(file, readFileSync(path.join(PROJECT_FOLDER, file), "utf8")))).toEqual([]);
});

test("a link to nowhere is seen", () => {
	expect(findBrokenLinks("README.md", "[a](package.json) [b](nowhere.md) [c](https://example.com) `[d](code.md)`")).toEqual(["README.md -> nowhere.md"]);
});
