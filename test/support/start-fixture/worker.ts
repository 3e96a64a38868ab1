import { existsSync, writeFileSync } from "node:fs";
import path from "node:path";

const home = process.env["TOLLGATE_HOME"] ?? "";
const [demoKeyFile, adminKeyFile] = [path.join(home, "demo-key"), path.join(home, "admin-key")];
if (!existsSync(demoKeyFile)) writeFileSync(demoKeyFile, `demo-${process.pid}\n`, { mode: 0o600 });
writeFileSync(path.join(home, "worker-environment.json"), JSON.stringify(process.env));
const admin = `http://127.0.0.1:${process.env["TOLLGATE_ADMIN_PORT"]}`;
process.stdout.write(`${JSON.stringify({ event: "listening", admin, demoKeyFile, adminKeyFile, demoLimitNanoUsd: "7000000000" })}\n`);
setInterval(() => {}, 60_000);
