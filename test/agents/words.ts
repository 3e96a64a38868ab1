import type { Random } from "#test/faults/random.ts";

/** Texts that runs are written with, drawn from the seed: what a research tool, a shell or a warehouse could say. */
export const SUBJECTS = [
	"solar storage",
	"harbour fees",
	"vaccine cold chains",
	"grid balancing",
	"olive harvests",
	"bridge fatigue",
	"court backlogs",
	"rail freight",
	"soil carbon",
	"hospital staffing",
	"glacier melt",
	"chip packaging",
	"reef recovery",
	"wage statistics",
	"battery recycling",
	"drought insurance",
] as const;
const NOUNS = [
	"survey",
	"ledger",
	"engine",
	"valley",
	"patient",
	"cable",
	"turbine",
	"archive",
	"council",
	"market",
	"sensor",
	"bridge",
	"orchard",
	"parser",
	"queue",
	"invoice",
	"glacier",
	"module",
	"printer",
	"quarry",
	"satellite",
	"tariff",
	"vessel",
	"workshop",
	"pipeline",
	"reactor",
	"harbour",
	"cluster",
	"museum",
	"forest",
	"signal",
	"cabinet",
	"carriage",
	"customer",
	"deposit",
	"factory",
	"garden",
	"hospital",
	"journal",
	"kitchen",
	"laboratory",
	"machine",
	"network",
	"office",
	"package",
	"region",
	"schedule",
	"station",
	"teacher",
	"vehicle",
	"window",
	"winter",
] as const;
const VERBS = [
	"shows",
	"replaces",
	"delays",
	"measures",
	"doubles",
	"connects",
	"rejects",
	"describes",
	"moves",
	"explains",
	"loses",
	"covers",
	"follows",
	"reports",
	"closes",
	"requires",
	"improves",
	"limits",
	"predicts",
	"separates",
	"supports",
	"threatens",
	"avoids",
	"contains",
] as const;
const QUALITIES = [
	"early",
	"northern",
	"cheap",
	"fragile",
	"public",
	"regional",
	"hidden",
	"modern",
	"seasonal",
	"broken",
	"private",
	"annual",
	"distant",
	"narrow",
	"reliable",
	"urgent",
	"electric",
	"wooden",
	"digital",
	"local",
	"coastal",
	"heavy",
	"recent",
	"formal",
	"gradual",
	"uneven",
	"shared",
	"steady",
] as const;

export function sentence(random: Random): string {
	const part = (): string => `the ${random.pick(QUALITIES)} ${random.pick(NOUNS)}`;
	return `${part()} ${random.pick(VERBS)} ${part()} near ${part()}`;
}

export function paragraph(random: Random, sentences: number): string {
	return Array.from({ length: sentences }, () => `${sentence(random)}.`).join(" ");
}

export function noun(random: Random): string {
	return random.pick(NOUNS);
}

export function hex(random: Random, length: number): string {
	return Array.from({ length }, () => random.integer(0, 15).toString(16)).join("");
}

export function uuid(random: Random): string {
	return [8, 4, 4, 4, 12].map((length) => hex(random, length)).join("-");
}

/** Some moment of 2026, later with every step. */
export function momentAt(step: number): Date {
	return new Date(Date.UTC(2026, 5, 1, 8, 0, 0) + step * 7_331);
}

export function filePath(random: Random, index: number): string {
	const folder = `${random.pick(["src", "app", "packages/core", "services", "docs"])}/${noun(random)}`;
	const extension = random.pick(["ts", "py", "md", "json", "sql"]);
	return random.share() < 0.4 ? `${folder}/part_${index}.${extension}` : `${folder}/${noun(random)}-${noun(random)}-${index}.${extension}`;
}
