"""Work on kernels: build them, find where their errors come from, what they lack, since when they fail.

\b
Examples:
  bootwright kernel trace debian-6.12.117-4k --call talos-1.12-etc-hosts
  bootwright kernel build linux-source-6.12 --page-size 16k
  bootwright kernel recipe siderolabs-pkgs pkgs --kernel 6.19.14 --talos talos
  bootwright kernel patches v6.12..v6.18 --paths drivers/net/ethernet/cadence --out series
  bootwright kernel bisect --releases debian-6.12-4k..debian-7.3-4k --goal boot --out out/bisect
  bootwright kernel minimise --series backports/ --base linux-source-6.12 --goal mounts --out out/minimise
"""
