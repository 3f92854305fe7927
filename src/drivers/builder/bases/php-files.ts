import type { BaseFile } from './base-file.ts'

export const PHP_PACKAGES: readonly string[] = [
  'php-cli',
  'php-bcmath',
  'php-curl',
  'php-gd',
  'php-intl',
  'php-mbstring',
  'php-mysql',
  'php-pgsql',
  'php-sqlite3',
  'php-xml',
  'php-zip',
]
export const SERVER_PACKAGES: readonly string[] = ['apache2', 'libapache2-mod-php']

/** What `phpenmod` would have switched on, in an order in which each finds what it needs. */
const EXTENSIONS: readonly string[] = (
  'mysqlnd pdo xml bcmath calendar ctype curl dom exif fileinfo ftp gd gettext iconv intl mbstring mysqli pdo_mysql pdo_pgsql pdo_sqlite pgsql phar posix ' +
  'shmop simplexml sockets sqlite3 sysvmsg sysvsem sysvshm tokenizer xmlreader xmlwriter xsl zip'
).split(' ')

/** Debian's scan folder is filled by install scripts, which nobody runs here. */
export const PHP_ENV = { PHP_INI_SCAN_DIR: '/etc/lockgate/php' }

const PHP_INI = `; What php.ini-production says where it matters, and every error goes to the log of the instance.
zend_extension=opcache
${EXTENSIONS.map((name) => `extension=${name}`).join('\n')}
display_errors=0
display_startup_errors=0
log_errors=1
error_reporting=E_ALL & ~E_DEPRECATED
expose_php=0
memory_limit=128M
post_max_size=64M
upload_max_filesize=64M
session.save_path=/tmp
session.use_strict_mode=1
session.cookie_httponly=1
variables_order=EGPCS
opcache.memory_consumption=64
`

const MODULES: readonly string[] =
  'mpm_prefork authn_core authz_core authz_host alias deflate dir env expires filter headers mime negotiation reqtimeout rewrite setenvif'.split(' ')

const APACHE_CONF = (
  php: string,
): string => `# One process tree that serves PHP and files as nobody, and ends gracefully. DOCUMENT_ROOT and PORT come from the image and the platform.
ServerRoot /etc/apache2
${MODULES.map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`).join('\n')}
LoadModule php_module /usr/lib/apache2/modules/libphp${php}.so
ServerName localhost
Listen \${PORT}
PidFile /tmp/apache2.pid
Mutex file:/tmp default
ErrorLog /proc/self/fd/2
LogLevel warn
ServerTokens Prod
ServerSignature Off
TraceEnable Off
Timeout 300
KeepAlive On
KeepAliveTimeout 65
MaxKeepAliveRequests 0
StartServers 2
MinSpareServers 1
MaxSpareServers 4
MaxRequestWorkers 16
GracefulShutdownTimeout 30
AcceptFilter http none
TypesConfig /etc/mime.types
DirectoryIndex index.php index.html
SetEnvIf X-Forwarded-Proto "^https$" HTTPS=on
AddOutputFilterByType DEFLATE text/html text/plain text/css text/javascript application/javascript application/json image/svg+xml
<FilesMatch "\\.php$">
  SetHandler application/x-httpd-php
</FilesMatch>
<Directory />
  AllowOverride None
  Require all denied
</Directory>
DocumentRoot \${DOCUMENT_ROOT}
<Directory \${DOCUMENT_ROOT}>
  Options FollowSymLinks
  # Else PHP does not see the header Authorization.
  CGIPassAuth On
  AllowOverride All
  Require all granted
  <IfFile "\${DOCUMENT_ROOT}/index.php">
    FallbackResource /index.php
  </IfFile>
</Directory>
# What stands beside the pages of an app that has no folder of its own for them.
<LocationMatch "/\\.(?!well-known/)|^/(vendor|node_modules)/|^/(composer\\.(json|lock)|lockgate\\.yaml|Procfile|Makefile)$">
  Require all denied
</LocationMatch>
`

/** Where the configuration of the web server stands in its base. */
const CONF = 'etc/lockgate/apache.conf'

const PHP_FILES = (php: string): readonly BaseFile[] => [
  { name: 'usr/bin/php', link: `php${php}` },
  { name: 'usr/bin/phar', link: `phar${php}.phar` },
  { name: 'etc/lockgate/php/lockgate.ini', text: PHP_INI },
]

/** Files of the base that runs PHP behind Apache. */
export const APACHE_FILES = (php: string): readonly BaseFile[] => [...PHP_FILES(php), { name: CONF, text: APACHE_CONF(php) }]

/** Files of the base that builds PHP apps. */
export const PHP_BUILD_FILES = (php: string): readonly BaseFile[] => PHP_FILES(php)
