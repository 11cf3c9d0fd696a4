/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BOOTWRIGHT_LINK_H
#define BOOTWRIGHT_LINK_H

/* One network interface by name. What returns an int is true when it went well; else the outcome says why. */
void link_path(struct text *to, const char *name, const char *rest); /* /sys/class/net/NAME and the rest */
int link_raise(struct outcome *outcome, const char *name);
int link_has_carrier(const char *name);
/* The address that a DHCP server offers, or leases where `lease` is true; takes up to 12 s. */
int link_address(struct outcome *outcome, const char *name, int lease, struct text *address);

#endif
