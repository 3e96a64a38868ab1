import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { type RawSearch, rootRoute } from "../../frame/root-route.tsx";

export type KeysSearch = {
	readonly show?: "prices" | undefined;
	/** Page of keys: it continues after this one. */
	readonly after?: string | undefined;
	/** Of price lines: what their provider, model or aliases contain. */
	readonly find?: string | undefined;
	/** The model that is checked. */
	readonly model?: string | undefined;
	readonly provider?: string | undefined;
};

export const keysRoute = createRoute({
	getParentRoute: () => rootRoute,
	path: "/keys",
	staticData: { title: "Keys and prices" },
	validateSearch: ({ show, after, find, model, provider }: RawSearch): KeysSearch => ({
		...(show === "prices" && { show }),
		...(after && { after }),
		...(find && { find }),
		...(model && { model }),
		...(provider && { provider }),
	}),
	component: lazyRouteComponent(() => import("./page.tsx"), "KeysPage"),
});
