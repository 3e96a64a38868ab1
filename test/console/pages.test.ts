import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { CHROMIUM, HOW_TO_GET_CHROMIUM } from "#test/support/chromium.ts";
import { ConsoleStand } from "#test/support/console-stand.ts";
import { HOSTILE_NAME, STORY_ID, seedConsoleWorld } from "#test/support/console-world.ts";

const shows = (text: string | RegExp) => (page: Page) => page.getByText(text).first().waitFor();

/** Pages by name, address below /console, and what they are about once it is there. */
const PAGES = [
	["overview", "/", shows("Four of five months end in")],
	["overview-of-team", "/?team=support", shows("usual for this weekday")],
	["explore", "/explore?by=team,model&per=day&range=30d", shows("in 16 groups")],
	["explore-of-team", "/explore?team=research&by=feature&per=week&range=90d", shows(HOSTILE_NAME)],
	["budgets", "/budgets", shows("only observed")],
	["requests", "/requests?team=support&from=2026-01-01", shows("gpt-4o-mini")],
	["request", `/requests/${STORY_ID}`, shows("How the cost was made")],
	["refused", "/requests/req_refused_3", shows("Nothing was sent and nothing charged")],
] as const;

describe.skipIf(CHROMIUM === undefined)(`pages of the console ${HOW_TO_GET_CHROMIUM}`, () => {
	let stand: ConsoleStand;

	beforeAll(async () => {
		stand = await ConsoleStand.open();
		await seedConsoleWorld(stand);
	});
	afterEach(() => expect(stand.complaints.splice(0)).toEqual([]));
	afterAll(() => stand?.close());

	test.each(PAGES)("%s shows what there is, in light and dark, on a desk and a phone, without a barrier", async (name, path, isReady) => {
		await stand.picture(name, path, isReady);
	});
});
