import { formatInstant, formatRelative } from "../format/time.ts";
import { useNow } from "./use-now.ts";
import { useTimeZone } from "./use-time-zone.ts";

/** A moment in the time zone of the page; how long ago or ahead on hover. */
export function When({ iso }: { readonly iso: string }) {
	const timeZone = useTimeZone();
	const nowMs = useNow();
	return (
		<time dateTime={iso} title={`${formatRelative(iso, nowMs)} (${iso})`}>
			{formatInstant(iso, { timeZone })}
		</time>
	);
}

/** "in 3 hours"; the moment itself on hover. */
export function HowLong({ iso }: { readonly iso: string }) {
	const timeZone = useTimeZone();
	const nowMs = useNow();
	return (
		<time dateTime={iso} title={`${formatInstant(iso, { timeZone })} (${timeZone})`}>
			{formatRelative(iso, nowMs)}
		</time>
	);
}
