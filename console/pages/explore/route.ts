import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { rootRoute } from "../../frame/root-route.tsx";

export const exploreRoute = createRoute({
	getParentRoute: () => rootRoute,
	path: "/explore",
	staticData: { title: "Explore" },
	component: lazyRouteComponent(() => import("./page.tsx"), "ExplorePage"),
});
