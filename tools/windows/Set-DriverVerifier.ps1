<#
.SYNOPSIS
Sets Driver Verifier or the KMDF verifier for a driver.

.DESCRIPTION
The settings of docs/verifier-hlk.md:

Standard      Driver Verifier's standard settings, the WDF rules among them, for the driver and for Wdf01000.sys.
LowResources  Pool allocations fail at random.
Isolation     Driver package isolation rules; violations are events.
Kmdf          The framework's own verifier, with handle tracking; the driver's devices are restarted.
Off           Neither.

Driver Verifier's settings take effect with the next start of Windows, and Windows drops them by itself if it does not start
with them. Start the script in an elevated PowerShell.

.PARAMETER Mode
Which settings.

.PARAMETER Driver
File name of the driver, for example write_filter.sys.

.PARAMETER Service
Name of its service, for example kmdf_write_filter.

.PARAMETER PoolTag
For LowResources: only allocations with this tag fail, instead of all that the verified drivers make. Memory that the
framework allocates for a driver has the first four letters of the service's name as its tag, unless the driver chose
another one.

.PARAMETER Probability
For LowResources: how many of 10000 allocations fail.

.PARAMETER FailAfter
For Kmdf: every allocation after this many fails. Sweep it, since the framework's own allocations count too.

.EXAMPLE
.\Set-DriverVerifier.ps1 -Mode Standard -Driver write_filter.sys -Service kmdf_write_filter

.EXAMPLE
.\Set-DriverVerifier.ps1 -Mode Kmdf -Driver usb_bulk.sys -Service kmdf_usb_bulk -FailAfter 20

.EXAMPLE
.\Set-DriverVerifier.ps1 -Mode Off -Driver write_filter.sys -Service kmdf_write_filter
#>
#Requires -Version 5.1
[CmdletBinding(SupportsShouldProcess, ConfirmImpact = 'High')]
param(
    [Parameter(Mandatory)]
    [ValidateSet('Standard', 'LowResources', 'Isolation', 'Kmdf', 'Off')]
    [string] $Mode,

    [Parameter(Mandatory)]
    [ValidatePattern('^[^\\/]+\.sys$')]
    [string] $Driver,

    [Parameter(Mandatory)]
    [ValidatePattern('^[^\\/]+$')]
    [string] $Service,

    [ValidatePattern('^.{1,4}$')]
    [string] $PoolTag,

    [ValidateRange(1, 10000)]
    [int] $Probability = 600,

    [ValidateRange(0, [int]::MaxValue)]
    [int] $FailAfter
)

Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
Import-Module -Name (Join-Path -Path $PSScriptRoot -ChildPath 'KmdfTest.psm1') -Force

Assert-Administrator

# verifier: 0 is done, 2 is done and a restart is needed.
$verifierDone = 0, 2

function Set-Verifier {
    [CmdletBinding(SupportsShouldProcess)]
    param([Parameter(Mandatory)] [string[]] $Arguments)

    if ($PSCmdlet.ShouldProcess("verifier $($Arguments -join ' ')", 'Run')) {
        (Invoke-Tool -Path 'verifier.exe' -Arguments $Arguments -Expected $verifierDone).Output
    }
}

$verified = '/driver', $Driver, 'Wdf01000.sys'
# The key has the name of the service, not of the file.
$wdf = "HKLM:\SYSTEM\CurrentControlSet\Services\$Service\Parameters\Wdf"

if ($Mode -in 'Standard', 'LowResources', 'Isolation') {
    # A driver that fails while Windows starts must not make the machine unusable.
    Set-Verifier -Arguments '/bootmode', 'resetonbootfail'
}

switch ($Mode) {
    'Standard' {
        Set-Verifier -Arguments (@('/standard') + $verified)
    }
    'LowResources' {
        $faults = @('/faults', "$Probability")
        if ($PoolTag) {
            $faults += $PoolTag
        }
        Set-Verifier -Arguments ($faults + $verified)
    }
    'Isolation' {
        Set-Verifier -Arguments (@('/rc', '33', '36') + $verified)
    }
    'Kmdf' {
        if (-not (Test-Path -LiteralPath "HKLM:\SYSTEM\CurrentControlSet\Services\$Service")) {
            throw "There is no service $Service."
        }
        if ($PSCmdlet.ShouldProcess($wdf, 'Turn the KMDF verifier on')) {
            New-Item -Path $wdf -Force | Out-Null
            foreach ($name in 'VerifierOn', 'VerboseOn', 'EnhancedVerifierOptions') {
                Set-ItemProperty -Path $wdf -Name $name -Value 1 -Type DWord
            }
            Set-ItemProperty -Path $wdf -Name 'TrackHandles' -Value @('*') -Type MultiString
            if ($PSBoundParameters.ContainsKey('FailAfter')) {
                Set-ItemProperty -Path $wdf -Name 'VerifierAllocateFailCount' -Value $FailAfter -Type DWord
            }
            else {
                Remove-ItemProperty -Path $wdf -Name 'VerifierAllocateFailCount' -ErrorAction SilentlyContinue
            }
        }
    }
    'Off' {
        Set-Verifier -Arguments '/reset'
        if ((Test-Path -LiteralPath $wdf) -and $PSCmdlet.ShouldProcess($wdf, 'Turn the KMDF verifier off')) {
            foreach ($name in 'VerifierOn', 'VerboseOn', 'EnhancedVerifierOptions', 'TrackHandles',
                'VerifierAllocateFailCount') {
                Remove-ItemProperty -Path $wdf -Name $name -ErrorAction SilentlyContinue
            }
        }
    }
}

if ($Mode -in 'Kmdf', 'Off') {
    # The framework reads its settings in WdfDriverCreate: when the driver is loaded.
    foreach ($device in Get-PnpDevice -PresentOnly) {
        if (@(Get-DriverStack -InstanceId $device.InstanceId) -contains $Service -and
            $PSCmdlet.ShouldProcess($device.InstanceId, 'Restart the device')) {
            Invoke-Tool -Path 'pnputil.exe' -Arguments '/restart-device', $device.InstanceId | Out-Null
        }
    }
}
if ($Mode -ne 'Kmdf' -and -not $WhatIfPreference) {
    Write-Output 'Restart Windows: the settings of Driver Verifier take effect then. `verifier /query` shows them.'
}
