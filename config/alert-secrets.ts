import { readFileSync, realpathSync } from "node:fs";
import path from "node:path";
import type { KeptPlaceProblem, SecretPlace } from "#domain/alerts/channel.ts";
import { environmentSchema } from "./schema.ts";

/**
 * Secrets of alert channels: a channel names a variable or a file of the worker, which is read when an alert leaves. Whoever may change
 * channels decides where what they name is sent, so what Tollgate keeps for itself is never read for them: its own settings, provider
 * keys among them, and everything under its home.
 */
export type AlertSecret =
	| { readonly content: string }
	/** Why there is none, in words that repeat nothing of it. */
	| { readonly problem: string };

type Environment = Readonly<Record<string, string | undefined>>;

const FILE_BYTES_MAX = 8_192;
/** Of other programs, read by the SDKs and drivers in this process. */
const KEPT_BY_OTHERS = /^(PG[A-Z]+|TEMPORAL_\w+|AWS_\w+|NODE_\w+|\w*(OPENAI|ANTHROPIC|AZURE|GOOGLE|GEMINI|MISTRAL|GROQ|COHERE|OPENROUTER)\w*_API_KEY\w*)$/;

/** `keptVariables`: where a file of providers has their keys, whatever they are called. */
export function createAlertSecretReader(
	{ home, keptVariables = [] }: { readonly home: string; readonly keptVariables?: readonly string[] },
	environment: Environment = process.env,
): (place: SecretPlace) => AlertSecret {
	return (place) => {
		if ("file" in place) return readFile(place.file, home);
		const { environmentVariable: name } = place;
		return keptVariables.includes(name) ? { problem: keptVariable(name) } : readVariable(name, environment);
	};
}

/** Judges a place when a channel is set, by its name and where its links lead now: what is read later is judged again when it is read. */
export function createKeptPlaceProblem({ home }: { readonly home: string }): KeptPlaceProblem {
	return (place) => {
		if ("environmentVariable" in place) return isSecretOfChannels(place.environmentVariable) ? undefined : keptVariable(place.environmentVariable);
		const isKept = [path.resolve(place.file), realFile(place.file)].some((file) => isInside(file, home));
		return isKept ? keptFile(place.file) : undefined;
	};
}

/** False for what Tollgate or a provider keeps: no channel is given it. */
export function isSecretOfChannels(variable: string): boolean {
	return !(variable in environmentSchema.shape) && !KEPT_BY_OTHERS.test(variable);
}

function readVariable(name: string, environment: Environment): AlertSecret {
	if (!isSecretOfChannels(name)) return { problem: keptVariable(name) };
	const content = environment[name]?.trim() ?? "";
	return content === ""
		? { problem: `the variable ${name} is not set for the worker; \`npm start\` hands it those named in TOLLGATE_ALERT_VARIABLES` }
		: { content };
}

function readFile(file: string, home: string): AlertSecret {
	try {
		// Where a link leads is what counts.
		const real = realpathSync(file);
		if (isInside(real, home)) return { problem: keptFile(file) };
		const content = readFileSync(real);
		if (content.length > FILE_BYTES_MAX) return { problem: `the file ${file} is larger than a secret` };
		const text = content.toString("utf8").trim();
		return text === "" || /[\r\n]/.test(text) ? { problem: `the file ${file} does not hold one line` } : { content: text };
	} catch (error) {
		return { problem: `the file ${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? "an error"})` };
	}
}

function keptVariable(name: string): string {
	return `the variable ${name} belongs to Tollgate or to a provider`;
}

function keptFile(file: string): string {
	return `the file ${file} belongs to Tollgate`;
}

/** The file that is read; one that is not there yet is taken by its name. */
function realFile(file: string): string {
	try {
		return realpathSync(file);
	} catch {
		return path.resolve(file);
	}
}

function isInside(file: string, folder: string): boolean {
	const relative = path.relative(realFolder(folder), file);
	return relative !== "" && !relative.startsWith("..") && !path.isAbsolute(relative);
}

function realFolder(folder: string): string {
	try {
		return realpathSync(folder);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "ENOENT") return path.resolve(folder);
		throw error;
	}
}
