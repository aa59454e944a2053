#include "mail/body.h"
