/** The style of a report's page: a phone, a desk, paper, light and dark. No font or picture from elsewhere. */
export const PAGE_STYLE = `
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #59636e; --line: #d8dee4; --paper: #fff; --panel: #f6f8fa; --bar: #a9c4e4; --mark: #1f6feb; --level: #bc4c00; --up: #9a3412; --down: #1a7f37; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9198a1; --line: #3d444d; --paper: #0d1117; --panel: #151b23; --bar: #34527a; --mark: #58a6ff; --level: #f0883e; --up: #ffa27b; --down: #56d364; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; -webkit-text-size-adjust: 100%; }
main { max-width: 62rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.25rem 0 .75rem; padding-top: .75rem; border-top: 1px solid var(--line); }
header p { margin: .25rem 0 0; color: var(--soft); }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: .75rem; margin: 0 0 1.25rem; }
dl > div { background: var(--panel); border: 1px solid var(--line); border-radius: .5rem; padding: .6rem .75rem; }
dt { color: var(--soft); font-size: .8rem; }
dd { margin: 0; font-size: 1.25rem; font-weight: 600; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
dd.note { font-size: .75rem; font-weight: 400; color: var(--soft); line-height: 1.35; }
figure { margin: 0 0 1.25rem; }
figcaption, caption { color: var(--soft); font-size: .85rem; text-align: left; padding: 0 0 .35rem; }
figcaption .key { display: inline-block; width: 1.1rem; border-top: 2px dashed var(--level); vertical-align: middle; margin: 0 .35rem 0 .75rem; }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--soft); font-size: 12px; font-variant-numeric: tabular-nums; }
svg .grid { stroke: var(--line); } svg .bar { fill: var(--bar); } svg .marked { fill: var(--mark); } svg .level { stroke: var(--level); stroke-width: 2; stroke-dasharray: 6 4; }
.table { overflow-x: auto; margin: 0 0 1.25rem; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
thead th { font-weight: 600; color: var(--soft); font-size: .8rem; vertical-align: bottom; }
tbody th { font-weight: 500; }
td bdi, th bdi { display: inline-block; max-width: 18rem; overflow-wrap: break-word; }
tbody th bdi { min-width: 5.5rem; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
thead .number { white-space: normal; }
tfoot th, tfoot td { font-weight: 600; border-bottom: 0; }
.up { color: var(--up); } .down { color: var(--down); }
code { font: .85em ui-monospace, SFMono-Regular, Menlo, monospace; }
.notes, footer { color: var(--soft); font-size: .85rem; }
.notes p { margin: 0 0 .35rem; }
footer { margin-top: 2.5rem; padding-top: .75rem; border-top: 1px solid var(--line); }
@media (max-width: 40rem) { main { padding: 1rem .75rem 2rem; } h1 { font-size: 1.3rem; } th, td { padding: .35rem .4rem; } dl { grid-template-columns: 1fr 1fr; } svg text { font-size: 19px; } td bdi, th bdi { max-width: 11rem; } }
@media print { :root { color-scheme: light; --ink: #000; --soft: #444; --line: #bbb; --paper: #fff; --panel: #fff; --bar: #bbb; --mark: #333; --level: #000; --up: #000; --down: #000; } main { max-width: none; padding: 0; } .table { overflow: visible; } h2, figure, tr { break-inside: avoid; } h2 { break-after: avoid; } thead { display: table-header-group; } }
`;
