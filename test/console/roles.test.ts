import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CHROMIUM, HOW_TO_GET_CHROMIUM } from "#test/support/chromium.ts";
import { settle, takePicture } from "#test/support/console-look.ts";
import { LISTED_PAGES, type RolePage, readEverything, readOffers, STORY_PAGES } from "#test/support/console-role-pages.ts";
import {
	EVERYBODY,
	foreignTextsOf,
	isOwner,
	MONTH,
	mayDo,
	OWNER,
	OWNER_OF_TWO,
	type Right,
	type RolesWorld,
	seedRolesWorld,
	type Who,
} from "#test/support/console-roles.ts";
import { ConsoleStand } from "#test/support/console-stand.ts";
import { STOPPED_RUN } from "#test/support/console-work.ts";
import { STORY_ID } from "#test/support/console-world.ts";
import { until } from "#test/support/until.ts";

/** Every page as people of each role see it, signed in with an admin key of their own. */

const REFUSED = "Your role does not include this.";
const FOREIGN = "This is not of your teams: search.";
const OF_THE_BROWSER = /^Failed to load resource: .* 403 /;

/** Each is about something that search, the only team of its owner, does not have; what the address names may be said again. */
const FOREIGN_PAGES: readonly (readonly [path: string | ((world: RolesWorld) => string), named: readonly string[]])[] = [
	...["/", "/explore", "/budgets", "/requests", "/runs", "/batches", "/batches/items", "/alerts", "/reports", `/statements/${MONTH}`, "/keys"].map(
		(path) => [`${path}?team=billing`, ["billing"]] as const,
	),
	[`/requests/${STORY_ID}`, [STORY_ID]],
	["/requests/req_refused_3", ["req_refused_3"]],
	[`/runs/${STOPPED_RUN}`, [STOPPED_RUN]],
	[({ foreignBatchId }) => `/batches/${foreignBatchId}`, []],
	[({ foreignAlertId }) => `/alerts/${foreignAlertId}`, []],
	[({ foreignReportId }) => `/reports/${foreignReportId}`, []],
];

describe.skipIf(CHROMIUM === undefined)(`the console by role ${HOW_TO_GET_CHROMIUM}`, () => {
	let stand: ConsoleStand;
	let world: RolesWorld;

	beforeAll(async () => {
		stand = await ConsoleStand.open();
		world = await seedRolesWorld(stand);
	}, 120_000);
	afterAll(() => stand?.close());

	const addressOf = (path: RolePage["path"]) => (typeof path === "string" ? path : path(world));
	const main = (page: Page) => page.getByRole("main");

	/** Answers of the API that were no success, as `page` gets them. */
	function failuresOf(page: Page): string[] {
		const failures: string[] = [];
		page.on("response", (response) => {
			if (response.status() >= 400) failures.push(`${response.status()} ${new URL(response.url()).pathname}`);
		});
		// What a page leaves unanswered when it goes on to the next is its own doing.
		page.on("requestfailed", (request) => {
			if (request.failure()?.errorText !== "net::ERR_ABORTED") failures.push(`${request.failure()?.errorText} ${request.url()}`);
		});
		return failures;
	}

	async function holds(page: Page, texts: readonly string[]): Promise<string[]> {
		const everything = await readEverything(page);
		return texts.filter((text) => new RegExp(`(?<!\\w)${text}(?!\\w)`).test(everything));
	}

	async function choose(page: Page, team: string): Promise<void> {
		await page.getByRole("combobox", { name: "Team" }).click();
		await page.getByRole("option", { name: team, exact: true }).click();
		await until("the team to be in the address", () => new URL(page.url()).searchParams.get("team") === team);
	}

	/** What stands there, what is offered, and that nothing went wrong. Answers everything the page says. */
	async function look(page: Page, who: Who, { name, heading, isRefused, ...expected }: RolePage): Promise<string> {
		await page.getByRole("heading", { level: 1, name: heading, exact: typeof heading === "string" }).waitFor();
		const shows = isOwner(who) ? expected.shows : (expected.showsOfAll ?? expected.shows);
		const content = isRefused?.(who) ? REFUSED : shows;
		await main(page).getByText(content).first().waitFor();
		await takePicture(page, `role-${who.replaceAll(" ", "-")}-${name}`);
		expect(await readOffers(page), `${name} offers ${who}`).toEqual(isRefused?.(who) ? [] : offersTo(who, expected));
		expect(await holds(page, foreignTextsOf(who)), `what is not of ${who} stands in ${name}`).toEqual([]);
		return readEverything(page);
	}

	describe.each(EVERYBODY)("%s", (who) => {
		let page: Page;
		let failures: string[];
		let seen = "";

		beforeAll(async () => {
			page = await stand.visit("/", { adminKey: world.keys[who] });
			failures = failuresOf(page);
			if (who !== OWNER_OF_TWO) return;
			// Without a choice it is the first of his teams.
			await main(page).getByText("triage").first().waitFor();
			await choose(page, "search");
		});
		afterAll(() => page?.close());

		const nothingWentWrong = () => expect([failures.splice(0), stand.complaints.splice(0)]).toEqual([[], []]);

		test.each(LISTED_PAGES)("is led to the page $name, with what is his there and what he may do", async (listed) => {
			await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: listed.heading, exact: true }).click();
			seen += await look(page, who, listed);
			nothingWentWrong();
		});

		test.each(STORY_PAGES)("opens the address of a $name, with what is his there and what he may do, or is told that he may not", async (story) => {
			await page.goto(`${stand.url}/console${addressOf(story.path)}`);
			seen += await look(page, who, story);
			if (story.isRefused?.(who)) {
				await main(page).getByRole("link").first().click();
				await page.getByRole("heading", { level: 1, name: /^(Statements|Policy)$/ }).waitFor();
				await settle(page);
			}
			nothingWentWrong();
		});

		if (isOwner(who)) return;
		test("sees what the owners do not", () => {
			const foreign = [...new Set([OWNER, OWNER_OF_TWO].flatMap((owner) => foreignTextsOf(owner as Who)))];
			expect(foreign.filter((text) => ["billing", "support", "research", "notebooks"].includes(text) && !seen.includes(text))).toEqual([]);
		});
	});

	test("an owner who names what is another team's in an address is told so, sees nothing of it, and goes on with his own", async () => {
		const page = await stand.visit("/", { adminKey: world.keys[OWNER] });
		const foreign = foreignTextsOf(OWNER);
		for (const [path, named] of FOREIGN_PAGES) {
			const address = addressOf(path);
			await page.goto(`${stand.url}/console${address}`);
			await page.getByRole("alert").getByText(FOREIGN).first().waitFor();
			await settle(page);
			const texts = foreign.filter((text) => !named.includes(text) && !address.includes(text));
			expect(await holds(page, texts), `${address} shows`).toEqual([]);
			expect(await main(page).getByRole("row").count(), `${address} has rows`).toBe(0);
		}
		await page.goto(`${stand.url}/console/budgets?team=billing`);
		await choose(page, "search");
		await main(page).getByText("Monthly", { exact: true }).first().waitFor();
		expect(await page.getByRole("alert").count()).toBe(0);
		await page.close();
		expect(stand.complaints.splice(0).filter((complaint) => !OF_THE_BROWSER.test(complaint))).toEqual([]);
	});
});

function offersTo(who: Who, { offers = {}, offersOthers = [] }: Pick<RolePage, "offers" | "offersOthers">): readonly string[] {
	const own = Object.entries(offers).flatMap(([right, names]) => (mayDo(who, right as Right) ? names : []));
	return [...(own.length === 0 ? offersOthers : own)].sort();
}
