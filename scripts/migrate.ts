import { migrateDatabase } from "#activities/database/migrate.ts";
import { loadSettings, requireDatabaseUrl } from "#config/load.ts";

// For deployments that do not use `npm start`: brings the database of DATABASE_URL to this release's schema and ends.
const { applied, schemaNumber } = await migrateDatabase(requireDatabaseUrl(loadSettings()));
process.stdout.write(`schema ${schemaNumber}${applied.length > 0 ? `, applied now: ${applied.join(", ")}` : ", nothing to apply"}\n`);
