import type { Page } from "playwright-core";
import { isOwner, MONTH, type Right, type RolesWorld, WAITING_REASON, type Who } from "./console-roles.ts";
import { DEAD_ITEM, PAUSED_RUN, RUNNING_BATCH } from "./console-work.ts";

/** A page of the console, what of somebody's own stands there, and what may be done there by whom. */
export type RolePage = {
	readonly name: string;
	/** Below /console. What the navigation lists is opened by it, with the team that was chosen. */
	readonly path: string | ((world: RolesWorld) => string);
	readonly heading: string | RegExp;
	/** Of team search, and of all teams where that differs. */
	readonly shows: string | RegExp;
	readonly showsOfAll?: string | RegExp;
	/** Buttons that need a right; nobody else is offered them. A name ends where that of the thing begins. */
	readonly offers?: Readonly<Partial<Record<Right, readonly string[]>>>;
	/** Buttons without which a right is as good as not there: "Look" for whoever may not "Look and decide". */
	readonly offersOthers?: readonly string[];
	/** Who is told that his role does not include the page. */
	readonly isRefused?: (who: Who) => boolean;
};

export const LISTED_PAGES: readonly RolePage[] = [
	{ name: "overview", path: "/", heading: "Overview", shows: "ranking", showsOfAll: "billing" },
	{ name: "explore", path: "/explore", heading: "Explore", shows: "claude-sonnet-4-5", showsOfAll: "billing" },
	{
		...{ name: "budgets", path: "/budgets", heading: "Budgets", shows: WAITING_REASON, showsOfAll: "Dunning run of the quarter" },
		offers: { govern: ["Ask for an increase", "Approve", "Reject"] },
	},
	{ name: "requests", path: "/requests", heading: "Requests", shows: "gpt-test", showsOfAll: "Choose a team." },
	{
		...{ name: "runs", path: "/runs", heading: "Runs", shows: PAUSED_RUN },
		...{ offers: { govern: ["Look and decide"] }, offersOthers: ["Look"] },
	},
	{ name: "batches", path: "/batches", heading: "Batches", shows: RUNNING_BATCH },
	{
		...{ name: "alerts", path: "/alerts", heading: "Alerts", shows: "is spent" },
		offers: { govern: ["Send again", "Acknowledge"], operate: ["Send a test"] },
	},
	{ name: "reports", path: "/reports", heading: "Reports", shows: "Week from", showsOfAll: "The organisation", offers: { "keep books": ["Write a report"] } },
	{ name: "statements", path: "/statements", heading: "Statements", shows: "waits for approval", offers: { "keep books": ["Close a month"] } },
	{ name: "policy", path: "/policy", heading: "Policy", shows: /^ *search:$/m, showsOfAll: /^ *billing:$/m, offers: { operate: ["Compare a file"] } },
	{
		...{ name: "keys", path: "/keys", heading: "Keys and prices", shows: "search by key", showsOfAll: "billing by key" },
		offers: { operate: ["Create a key", "Rotate", "Revoke"] },
	},
];

export const STORY_PAGES: readonly RolePage[] = [
	{ name: "request", path: ({ requestId }) => `/requests/${requestId}`, heading: "Request", shows: "How the cost was made" },
	{
		...{ name: "run", path: `/runs/${PAUSED_RUN}`, heading: `Run ${PAUSED_RUN}`, shows: "the run has spent 20.004 USD" },
		offers: { govern: ["Approve more", "Stop it"], operate: ["End it for good"] },
	},
	{ name: "batch", path: `/batches/${RUNNING_BATCH}`, heading: "Batch", shows: /311\s+of\s+480/, offers: { govern: ["Try now", "Cancel it"] } },
	{
		...{ name: "items", path: "/batches/items?team=search", heading: "Items handed in alone", shows: DEAD_ITEM },
		offers: { govern: ["Cancel", "Send again"] },
	},
	{
		name: "alert",
		path: ({ alertId }) => `/alerts/${alertId}`,
		heading: "Alert",
		shows: "404 no such service",
		offers: { govern: ["Send again", "Acknowledge"] },
	},
	{
		...{ name: "report", path: ({ reportId }) => `/reports/${reportId}`, heading: "Weekly report: team search", shows: "ranking" },
		offers: { "keep books": ["Write anew"] },
	},
	{
		...{
			name: "statement",
			path: `/statements/${MONTH}`,
			heading: /^\w+ \d{4}$/,
			shows: /^Lines of (search|support)$/,
			showsOfAll: "Costs add up to what the ledger booked",
		},
		offers: { "keep books": ["Approve", "Reject", "Draft anew"] },
	},
	{
		...{ name: "rules", path: "/statements/rules", heading: "Chargeback rules", shows: "Nobody set any rules yet", isRefused: isOwner },
		offers: { "keep books": ["Change"] },
	},
	{
		...{ name: "policy-revision", path: ({ policyRevision }) => `/policy/${policyRevision}`, heading: /^Policy revision \d+$/ },
		...{ shows: "The file as it was given", isRefused: isOwner },
	},
	{
		...{ name: "policy-compare", path: "/policy/compare", heading: "Compare a policy", shows: "Policy as YAML", isRefused: (who) => who !== "operator" },
		offers: { operate: ["Choose a file", "Start from what holds", "Show what it would change"] },
	},
	{ name: "prices", path: "/keys?show=prices", heading: "Keys and prices", shows: "1 of 1 models" },
];

/** Buttons of a page's own work, which are everybody's: they show, filter, sort and copy what is there. */
const OF_EVERYBODY = /^(|Show|Add|Copy|HTML|Markdown|Download CSV|Check|Check what .*|Virtual keys|Prices|Items handed in alone)$/;

/** The buttons of a page that may be somebody's alone, by name and without that of the thing they are for; those that sort and narrow a table left out. */
export async function readOffers(page: Page): Promise<readonly string[]> {
	const names = await page.evaluate<string[]>(
		"[...document.querySelectorAll('main button:not(table button), main a.mantine-Button-root, table button.mantine-Button-root')].map((button) => button.getAttribute('aria-label') ?? button.innerText)",
	);
	const cut = names.map((name) => name.replace(/(:| to | key_| deferred_).*$/, ""));
	return [...new Set(cut)].filter((name) => !OF_EVERYBODY.test(name)).sort();
}

/** Everything a page says, to the eye and to whoever looks behind it: text, addresses, values and labels. */
export function readEverything(page: Page): Promise<string> {
	return page.evaluate(`[...document.body.querySelectorAll("*:not(style, script)")].flatMap((element) => [
		...[...element.childNodes].filter(({ nodeType }) => nodeType === Node.TEXT_NODE).map(({ data }) => data),
		...["href", "value", "aria-label", "title"].map((name) => element.getAttribute(name) ?? ""),
	]).join("\\n")`);
}
