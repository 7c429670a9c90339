"""Turns the load generator's JSON into one line a scenario."""

import json
import sys

for line in sys.stdin:
    run = json.loads(line)
    latency = run.get("deliver_us") or {}
    print(
        f"{run['scenario']:16} ok={run['ok']} cpu_us={run.get('broker_cpu_us_per_msg')}"
        f" per_s={run.get('msg_per_s')} rss_kb={run.get('rss_before_kb')}..{run.get('rss_peak_kb')}"
        f" deliver_p50_us={latency.get('p50')} p99_us={latency.get('p99')}"
        f" other_cpu_s={run.get('other_cpu_s')} {'; '.join(run.get('errors', []))}"
    )
