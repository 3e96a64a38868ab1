import { spawnSync } from "node:child_process";
import { type Browser, chromium } from "playwright-core";

export const HOW_TO_GET_CHROMIUM = "(skipped without a browser: apt-get install chromium)";

const PROGRAMS = ["chromium", "/usr/bin/chromium", "chromium-browser", "google-chrome"];

/** The browser of this machine; undefined where there is none. */
export const CHROMIUM = PROGRAMS.find((program) => spawnSync(program, ["--version"]).status === 0);

/** What Playwright 1.65 turns off: Chromium takes the last such list alone. */
const OFF_FOR_PLAYWRIGHT = [
	"AimEnabled",
	"AvoidCorsURLLoaderRestartOnRedirect",
	"AvoidUnnecessaryBeforeUnloadCheckSync",
	"DestroyProfileOnBrowserClose",
	"HttpsFirstBalancedModeAutoEnable",
	"HttpsUpgrades",
	"LensOverlay",
	"MediaRouter",
	"NetworkTimeServiceQuerying",
	"OptimizationHints",
	"PaintHolding",
	"PreconnectToSearch",
	"ThirdPartyStoragePartitioning",
];
/** Pages of the address bar that nobody sees, and a process kept ready for the next page: with each visit's context they cost a third of a test. */
const OFF_FOR_SPEED = ["WebUIOmniboxPopup", "WebUIOmniboxAimPopup", "SpareRendererForSitePerProcess"];

export async function launchChromium(): Promise<Browser> {
	if (CHROMIUM === undefined) throw new Error("there is no Chromium on this machine");
	const executablePath = spawnSync("sh", ["-c", `command -v ${CHROMIUM}`], { encoding: "utf8" }).stdout.trim();
	const off = `--disable-features=${[...OFF_FOR_PLAYWRIGHT, ...OFF_FOR_SPEED].join(",")}`;
	// As root it has no sandbox to begin with; the pages are our own.
	return chromium.launch({
		executablePath,
		args: ["--no-sandbox", "--disable-dev-shm-usage", "--force-color-profile=srgb", "--font-render-hinting=none", off],
	});
}
