<#
.SYNOPSIS
Installs a driver package on the devices that it is for.

.DESCRIPTION
Adds the package to the driver store and installs it, by pnputil. With -CreateDevice it first makes a software device with
that hardware ID, by devgen of the WDK; this is how write_filter is tried without hardware, on the base package
write_filter_base (see inf/README.md).

Start it in an elevated PowerShell, on a machine that Initialize-TestMachine.ps1 has made ready.

.PARAMETER Package
The folder of the package, for example write_filter_package. It has exactly one INF file.

.PARAMETER CreateDevice
Hardware ID of a device to make, for example root\KMDF_WRITE_FILTER_TEST. None is made if one is there.

.OUTPUTS
The instance IDs of the devices with the hardware ID, if one was given.

.EXAMPLE
.\Install-Driver.ps1 -Package .\write_filter_base -CreateDevice 'root\KMDF_WRITE_FILTER_TEST'
.\Install-Driver.ps1 -Package .\write_filter_package

.EXAMPLE
.\Install-Driver.ps1 -Package .\usb_bulk_package -WhatIf
#>
#Requires -Version 5.1
[CmdletBinding(SupportsShouldProcess)]
[OutputType([string])]
param(
    [Parameter(Mandatory)]
    [ValidateScript({ Test-Path -LiteralPath $_ -PathType Container })]
    [string] $Package,

    [ValidatePattern('\\')]
    [string] $CreateDevice
)

Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
Import-Module -Name (Join-Path -Path $PSScriptRoot -ChildPath 'KmdfTest.psm1') -Force

Assert-Administrator

# ERROR_NO_MORE_ITEMS: the package is in the store, and no device took it now.
$noDevice = 259
$restartNeeded = 3010

$infs = @(Get-ChildItem -LiteralPath $Package -Filter '*.inf' -File)
if ($infs.Count -ne 1) {
    throw "$Package has $($infs.Count) INF files; a driver package has one."
}
$inf = $infs[0].FullName

if ($PSCmdlet.ShouldProcess($inf, 'Add to the driver store and install')) {
    $added = Invoke-Tool -Path 'pnputil.exe' -Arguments '/add-driver', $inf, '/install' `
        -Expected 0, $noDevice, $restartNeeded
    $added.Output | Write-Verbose
    if ($added.ExitCode -eq $noDevice -and -not $CreateDevice) {
        Write-Warning ('No device took the package: none is there, or each has a better driver. ' +
            'Show-DeviceStack.ps1 lists the drivers that were considered.')
    }
    if ($added.ExitCode -eq $restartNeeded) {
        Write-Warning 'Restart Windows: until then the devices have their old drivers.'
    }
}

if ($CreateDevice) {
    $present = @(Find-Instance -HardwareId $CreateDevice)
    if ($present.Count -eq 0 -and $PSCmdlet.ShouldProcess($CreateDevice, 'Make a device')) {
        $devgen = Find-WdkTool -Name 'devgen.exe' -Under 'Tools'
        Invoke-Tool -Path $devgen -Arguments '/add', '/bus', 'ROOT', '/hardwareid', $CreateDevice |
            Select-Object -ExpandProperty Output | Write-Verbose
        $present = @(Find-Instance -HardwareId $CreateDevice)
        if ($present.Count -eq 0) {
            throw "devgen reports success, and there is no device $CreateDevice."
        }
    }
    $present
}
