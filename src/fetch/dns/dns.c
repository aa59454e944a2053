#include "fetch/dns/dns.h"
