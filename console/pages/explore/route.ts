import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { rootRoute } from "../../frame/root-route.tsx";
import { readSearch } from "./view.ts";

export const exploreRoute = createRoute({
	getParentRoute: () => rootRoute,
	path: "/explore",
	staticData: { title: "Explore" },
	validateSearch: readSearch,
	component: lazyRouteComponent(() => import("./page.tsx"), "ExplorePage"),
});
