import path from "node:path";
import axe, { type AxeResults } from "axe-core";
import type { Page } from "playwright-core";
import { expect } from "vitest";
import { PROJECT_FOLDER } from "./project-files.ts";
import { until } from "./until.ts";

export const PICTURE_FOLDER = path.join(PROJECT_FOLDER, "test/console/output");
export const DESK = { width: 1440, height: 900 } as const;
export const PHONE = { width: 390, height: 900 } as const;
/** From the phone to the desk, where people go on. */
const LOOKS = [
	{ size: PHONE, scheme: "dark" },
	{ size: PHONE, scheme: "light" },
	{ size: DESK, scheme: "dark" },
	{ size: DESK, scheme: "light" },
] as const;
const WCAG_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

/** Pictures of a page that is open, at both widths and in both schemes, each judged by axe; the page stays where it is, and as it would be at a desk in the light. */
export async function lookAt(page: Page, name: string): Promise<void> {
	for (const { size, scheme } of LOOKS) {
		await page.setViewportSize(size);
		await page.emulateMedia({ colorScheme: scheme });
		await takePicture(page, `${name}-${size.width}-${scheme}`);
	}
}

/** A picture of a page as it is, judged by axe. */
export async function takePicture(page: Page, name: string): Promise<void> {
	await settle(page);
	await page.screenshot({ path: `${PICTURE_FOLDER}/${name}.png`, fullPage: true });
	expect(await findViolations(page), name).toEqual([]);
	expect(await overflow(page), `${name} scrolls sideways`).toBe(0);
}

/** What a new size or scheme moves begins a frame or two after it. */
const MOVEMENTS_ARE_OVER = `(async () => {
	const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
	do {
		await Promise.all(document.getAnimations().map((animation) => animation.finished.catch(() => undefined)));
		await frame();
		await frame();
		await frame();
	} while (document.getAnimations().length > 0);
})()`;

/** Nothing is being waited for, and movements are over. */
export async function settle(page: Page): Promise<void> {
	await until("nothing to be waited for", async () => (await page.locator("[aria-busy=true]").count()) === 0);
	await page.evaluate(MOVEMENTS_ARE_OVER);
}

/** Violations of WCAG 2 A and AA, each as rule and element. */
export async function findViolations(page: Page): Promise<string[]> {
	if (!(await page.evaluate<boolean>("typeof axe === 'object'"))) await page.evaluate(axe.source);
	const options = { runOnly: { type: "tag", values: WCAG_TAGS }, resultTypes: ["violations"] };
	const { violations } = (await page.evaluate(`axe.run(document, ${JSON.stringify(options)})`)) as AxeResults;
	return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 200)} ${node.failureSummary ?? ""}`));
}

/** By how many pixels the page is wider than its window. */
function overflow(page: Page): Promise<number> {
	return page.evaluate("Math.max(0, document.documentElement.scrollWidth - document.documentElement.clientWidth)");
}
