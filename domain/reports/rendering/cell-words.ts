import { exactUsd, grouped, readableChange, readableShare, readableUsd } from "../figures.ts";
import type { Cell } from "../report.ts";

/** A cell as it is read, and exact where that is more. `tone`: whether it went up or down. */
export type CellWords = { readonly shown: string; readonly exact?: string; readonly tone?: "up" | "down" };

export const NOTHING = "–";

export function cellWords(cell: Cell): CellWords {
	switch (cell.is) {
		case "text":
		case "code":
			return { shown: visibleText(cell.text) };
		case "money":
			return { shown: readableUsd(cell.nanoUsd), exact: exactUsd(cell.nanoUsd) };
		case "count":
			return { shown: grouped(cell.count) };
		case "share":
			return { shown: readableShare(cell.part, cell.whole) ?? NOTHING };
		case "change": {
			const { nowNanoUsd, beforeNanoUsd } = cell;
			const shown = beforeNanoUsd === null ? undefined : readableChange(nowNanoUsd, beforeNanoUsd);
			if (shown === undefined || beforeNanoUsd === null) return { shown: NOTHING };
			const by = nowNanoUsd - beforeNanoUsd;
			return { shown, exact: `${exactUsd(nowNanoUsd)} against ${exactUsd(beforeNanoUsd)}`, ...(by !== 0n && { tone: by > 0n ? "up" : "down" }) };
		}
		case "none":
			return { shown: NOTHING };
	}
}

/** Names come from people and callers: nothing in one may break a line or turn the direction of reading. */
export function visibleText(words: string): string {
	return words.replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, " ");
}
