<#
.SYNOPSIS
Collects what Windows wrote down about a driver.

.DESCRIPTION
Into one folder: the framework's log of the driver (the in-flight recorder, by the debugger), the installation log, the
events of Plug and Play and of driver isolation, and the state of Driver Verifier.

The framework's log is read from a crash dump, or from the running system; the latter takes `bcdedit /debug on` and a
restart. Without the debugger everything else is collected.

Start it in an elevated PowerShell.

.PARAMETER Service
Names of the drivers' services, for example kmdf_write_filter.

.PARAMETER Destination
The folder; it is made.

.PARAMETER Dump
A kernel dump, for example C:\Windows\MEMORY.DMP. Without it the running system is read.

.PARAMETER Since
Events from then on.

.EXAMPLE
.\Save-DriverLog.ps1 -Service kmdf_write_filter -Destination .\log

.EXAMPLE
.\Save-DriverLog.ps1 -Service kmdf_usb_bulk -Destination .\crash -Dump C:\Windows\MEMORY.DMP
#>
#Requires -Version 5.1
[CmdletBinding(SupportsShouldProcess)]
param(
    [Parameter(Mandatory)]
    [ValidatePattern('^[\w.-]+$')]
    [string[]] $Service,

    [Parameter(Mandatory)]
    [string] $Destination,

    [ValidateScript({ Test-Path -LiteralPath $_ -PathType Leaf })]
    [string] $Dump,

    [datetime] $Since = (Get-Date).AddHours(-1)
)

Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
Import-Module -Name (Join-Path -Path $PSScriptRoot -ChildPath 'KmdfTest.psm1') -Force

Assert-Administrator
if (-not $PSCmdlet.ShouldProcess($Destination, 'Collect logs')) {
    return
}
New-Item -Path $Destination -ItemType Directory -Force | Out-Null

Copy-Item -LiteralPath "$env:windir\INF\setupapi.dev.log" -Destination $Destination
(Invoke-Tool -Path 'verifier.exe' -Arguments '/query' -Expected 0, 1, 2).Output |
    Set-Content -LiteralPath (Join-Path -Path $Destination -ChildPath 'verifier.txt')

foreach ($provider in 'Microsoft-Windows-Kernel-PnP', 'Microsoft-Windows-Kernel-XDV') {
    $events = @(Get-WinEvent -FilterHashtable @{ ProviderName = $provider; StartTime = $Since } `
            -ErrorAction SilentlyContinue)
    $events | Select-Object -Property 'TimeCreated', 'Id', 'LevelDisplayName', 'Message' |
        Export-Csv -LiteralPath (Join-Path -Path $Destination -ChildPath "$provider.csv") -NoTypeInformation
}

try {
    $debugger = Find-WdkTool -Name 'kd.exe' -Under 'Debuggers'
}
catch {
    Write-Warning "Without the framework's log: $_"
    return
}
$source = if ($Dump) { @('-z', $Dump) } else { @('-kl') }
# The extension reads the framework's structures by its public symbols.
$symbols = '-y', "srv*$env:SystemDrive\symbols*https://msdl.microsoft.com/download/symbols"
foreach ($name in $Service) {
    $commands = "!wdfkd.wdfldr; !wdfkd.wdfdriverinfo $name 0x1; !wdfkd.wdflogdump $name; q"
    $log = Invoke-Tool -Path $debugger -Arguments ($source + $symbols + @('-c', $commands)) `
        -Expected 0, 1
    $log.Output | Set-Content -LiteralPath (Join-Path -Path $Destination -ChildPath "$name.wdflog.txt")
}
