import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { type RawSearch, rootRoute } from "../../frame/root-route.tsx";
import { BATCH_STATES, type BatchState, ITEM_STATUSES, type ItemStatus, REPORT_DAYS, type ReportDays } from "./states.ts";

export type BatchesSearch = {
	readonly state?: BatchState | undefined;
	/** Id of the last one of the page before. */
	readonly after?: string | undefined;
};

export const batchesRoute = createRoute({
	getParentRoute: () => rootRoute,
	path: "/batches",
	staticData: { title: "Batches" },
	validateSearch: ({ state, after }: RawSearch): BatchesSearch => {
		const known = BATCH_STATES.find((one) => one === state);
		return { ...(known && { state: known }), ...(after && { after }) };
	},
	component: lazyRouteComponent(() => import("./page.tsx"), "BatchesPage"),
});

export const batchRoute = createRoute({
	getParentRoute: () => rootRoute,
	path: "/batches/$batchId",
	staticData: { title: "Batch" },
	component: lazyRouteComponent(() => import("./batch-page.tsx"), "BatchPage"),
});

export type ItemsSearch = {
	readonly status?: ItemStatus | undefined;
	readonly days?: ReportDays | undefined;
	/** Id of the last one of the page before. */
	readonly after?: string | undefined;
};

export const itemsRoute = createRoute({
	getParentRoute: () => rootRoute,
	path: "/batches/items",
	staticData: { title: "Items handed in alone" },
	validateSearch: ({ status, days, after }: RawSearch): ItemsSearch => {
		const known = ITEM_STATUSES.find((one) => one === status);
		const span = REPORT_DAYS.find((one) => one === days);
		return { ...(known && { status: known }), ...(span && { days: span }), ...(after && { after }) };
	},
	component: lazyRouteComponent(() => import("./items-page.tsx"), "ItemsPage"),
});
