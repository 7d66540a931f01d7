"""How the report looks: one sheet, for light and dark, for screens and paper."""

CSS = """
:root{--bg:#f6f7f9;--card:#fff;--ink:#1b2430;--soft:#5d6b7c;--line:#e1e6ec;--good:#1a7f4e;--goodbg:#e0f3e8;--bad:#b3261e;
--badbg:#fbe6e4;--wait:#8a5a00;--waitbg:#fdf1d6;--c0:#2f6fde;--c1:#e07a1f;--c2:#1f9e89;--c3:#9b4dca;--c4:#c2336b;--c5:#7a8a1c;
color-scheme:light dark}
@media(prefers-color-scheme:dark){:root{--bg:#11161d;--card:#1a212b;--ink:#e6ebf2;--soft:#94a3b5;--line:#2c3643;
--good:#5fd39a;--goodbg:#143526;--bad:#ff8a80;--badbg:#3d1d1c;--wait:#f3c35b;--waitbg:#3a2d10;--c0:#6ea1ff;--c1:#ffa257;
--c2:#4fd1bd;--c3:#c58bf0;--c4:#ff7fae;--c5:#c0d05a}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:820px;margin:0 auto;padding:32px 20px 60px}
h1{font-size:26px;margin:0 0 2px}h2,h2.mono{font-size:19px;font-weight:650;margin:0;overflow-wrap:anywhere}
h3{font-size:13px;text-transform:uppercase;letter-spacing:.06em;color:var(--soft);margin:26px 0 8px;font-weight:600}
p{margin:6px 0}.soft{color:var(--soft)}
code,.mono{font:13px/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
section{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:22px 24px;margin:18px 0}
header.route{display:flex;gap:12px;align-items:center;flex-wrap:wrap}
.badge{display:inline-block;border-radius:999px;padding:2px 11px;font-size:13px;font-weight:600;white-space:nowrap}
.good{color:var(--good);background:var(--goodbg)}.bad{color:var(--bad);background:var(--badbg)}
.wait{color:var(--wait);background:var(--waitbg)}
.verdict{border-left:3px solid var(--line);padding:2px 0 2px 14px;margin:14px 0}
.verdict ul{margin:4px 0 4px;padding-left:18px}.verdict.good,.verdict.bad,.verdict.wait{background:none;color:inherit}
.verdict.good{border-color:var(--good)}.verdict.bad{border-color:var(--bad)}.verdict.wait{border-color:var(--wait)}
.next{background:var(--bg);border-radius:8px;padding:8px 12px;margin:8px 0 0;overflow-x:auto;white-space:pre}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th{font-size:12px;text-align:right;color:var(--soft);font-weight:600;padding:4px 8px}
td{text-align:right;padding:6px 8px;border-top:1px solid var(--line);vertical-align:top}
th:first-child,td:first-child{text-align:left;padding-left:0}td:last-child,th:last-child{padding-right:0}
table.wide td,table.wide th{text-align:left}td.cell{overflow-wrap:anywhere;min-width:130px}
.key{display:inline-block;width:10px;height:10px;border-radius:3px;margin-right:7px;background:currentColor}
.bar{height:10px;border-radius:5px;background:var(--badbg);overflow:hidden;margin:8px 0}
.bar i{display:block;height:100%;background:var(--good)}
.is-bad{color:var(--bad);font-weight:600}
svg{display:block;width:100%;height:auto;margin:4px 0;overflow:visible}
.c0{color:var(--c0)}.c1{color:var(--c1)}.c2{color:var(--c2)}.c3{color:var(--c3)}.c4{color:var(--c4)}.c5{color:var(--c5)}
svg .area{fill:currentColor;fill-opacity:.16;stroke:currentColor;stroke-width:1.6;stroke-linejoin:round}
svg .fill{fill:currentColor;fill-opacity:.75}svg .dot{fill:currentColor}
svg .whisker{stroke:currentColor;stroke-width:2.2;stroke-linecap:round}
svg .grid{stroke:var(--line);stroke-width:1}
svg text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:var(--soft)}
svg .tick{text-anchor:middle}svg .first{text-anchor:start}svg .last{text-anchor:end}
svg .label{fill:var(--ink)}svg .strong{font-weight:600}
svg .mark line{stroke:var(--bad);stroke-width:1.6;stroke-dasharray:3 3}svg .mark path{fill:var(--bad)}
@media print{body{background:#fff}section{break-inside:avoid;border-color:#ccc}}
"""
