import { PRODUCT_ENTRIES } from "./start/plan.ts";
import { runStart } from "./start/run.ts";

process.exit(await runStart(PRODUCT_ENTRIES));
