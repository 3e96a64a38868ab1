import { crc32 } from "node:zlib";

/**
 * The prompt caches of the two providers, as far as their usage shows them: which prefix of a prompt this
 * process has seen before. Entries do not expire; a repetition is a hit at any later time, so that
 * tests need no clock.
 */

/** OpenAI caches prefixes of at least 1,024 tokens, in steps of 128 (prompt caching guide). */
const BLOCK_TOKENS = 128;
const BLOCK_BYTES = BLOCK_TOKENS * 4;
const LEAST_BLOCKS = 8;
/** Anthropic's least cacheable prefix on most models (prompt caching guide). */
const LEAST_BREAKPOINT_TOKENS = 1_024;
/** Beyond this many prefixes the cache starts again empty: memory is bounded, a miss is only dearer. */
const PREFIXES_MOST = 200_000;

/** A cache_control mark: everything up to here may be cached for this long. */
export type Breakpoint = { readonly prefix: string; readonly tokens: number; readonly ttl: "5m" | "1h" };

export type CacheUse = { readonly readTokens: number; readonly write5mTokens: number; readonly write1hTokens: number };

export class PromptCache {
	readonly #prefixes = new Set<string>();

	/** Automatic prefix cache: tokens read and tokens newly written for this prompt, both multiples of 128. */
	useAutomatic(model: string, prompt: string): { readonly readTokens: number; readonly writtenTokens: number } {
		const bytes = Buffer.from(prompt);
		const blocks = Math.floor(bytes.length / BLOCK_BYTES);
		if (blocks < LEAST_BLOCKS) return { readTokens: 0, writtenTokens: 0 };
		let chain = crc32(model);
		let hitBlocks = 0;
		for (let block = 1; block <= blocks; block += 1) {
			chain = crc32(bytes.subarray((block - 1) * BLOCK_BYTES, block * BLOCK_BYTES), chain);
			if (block < LEAST_BLOCKS) continue;
			if (!this.#remember(`${model} ${block} ${chain}`)) hitBlocks = block;
		}
		return { readTokens: hitBlocks * BLOCK_TOKENS, writtenTokens: (blocks - hitBlocks) * BLOCK_TOKENS };
	}

	/** Marked prefixes, shortest first: the longest known one is read, the rest up to the last mark is written. */
	useBreakpoints(model: string, breakpoints: readonly Breakpoint[]): CacheUse {
		let readTokens = 0;
		const writes = { "5m": 0, "1h": 0 };
		let coveredTokens = 0;
		for (const { prefix, tokens, ttl } of breakpoints) {
			if (tokens < LEAST_BREAKPOINT_TOKENS) continue;
			const isNew = this.#remember(`${model} ${tokens} ${crc32(prefix)}`);
			if (isNew) {
				writes[ttl] += tokens - coveredTokens;
			} else {
				readTokens = tokens;
				writes["5m"] = 0;
				writes["1h"] = 0;
			}
			coveredTokens = tokens;
		}
		return { readTokens, write5mTokens: writes["5m"], write1hTokens: writes["1h"] };
	}

	/** True when the prefix was not known. */
	#remember(key: string): boolean {
		if (this.#prefixes.has(key)) return false;
		if (this.#prefixes.size >= PREFIXES_MOST) this.#prefixes.clear();
		this.#prefixes.add(key);
		return true;
	}
}
