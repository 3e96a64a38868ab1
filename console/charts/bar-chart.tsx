import { useComputedColorScheme } from "@mantine/core";
import { useEffect, useRef } from "react";
import { type Bar, drawBars } from "./draw-bars.ts";

type BarChartProps = {
	/** What it shows, for those who do not see it. */
	readonly label: string;
	readonly bars: readonly Bar[];
	readonly level: bigint | undefined;
	/** In pixels; default 220. */
	readonly height?: number;
};

/** Amounts one beside the other, some of them set apart. Only heights are rounded. */
export function BarChart({ label, bars, level, height = 220 }: BarChartProps) {
	const canvas = useRef<HTMLCanvasElement>(null);
	const scheme = useComputedColorScheme("light");
	useEffect(() => {
		if (canvas.current === null) return;
		return drawBars(canvas.current, { bars, level, scheme });
	}, [bars, level, scheme]);
	return (
		<div style={{ height }} className="chart-box">
			<canvas ref={canvas} role="img" aria-label={label} />
		</div>
	);
}
