#include "child/link.h"
