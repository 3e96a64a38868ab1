import path from "node:path";
import { runStart } from "../../../scripts/start/run.ts";

// `npm start` with children that only say they are ready: what is tested is the supervisor.
const entry = (name: string): string => path.join(import.meta.dirname, `${name}.ts`);
process.exit(await runStart({ provider: entry("provider"), worker: entry("worker"), gateway: entry("gateway") }));
