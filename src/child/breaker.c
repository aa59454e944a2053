#include "child/breaker.h"
