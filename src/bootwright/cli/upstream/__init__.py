"""What changed upstream that matters, and reports to upstream.

\b
Examples:
  bootwright upstream watch talos-rpi5
  bootwright upstream watch talos-rpi5 --repository linux=~/linux --since linux=v6.18
  bootwright upstream draft linux talos-rpi5 --repository ~/linux -o report.txt
  bootwright upstream list
"""
