<#
.SYNOPSIS
Makes a virtual machine ready for test-signed drivers.

.DESCRIPTION
Turns test signing on, trusts the certificate that the driver package was signed with, and has a crash leave a kernel
dump. Take a snapshot of the machine before. Secure Boot has to be off, since Windows then accepts no test signature; a
machine with BitLocker asks for its recovery key after the change, unless protection is suspended.

Start it in an elevated PowerShell. Test signing takes effect with the next start of Windows.

.PARAMETER Certificate
The certificate, WDRLocalTestCert.cer in the driver package.

.PARAMETER Restart
Restarts Windows at the end.

.EXAMPLE
.\Initialize-TestMachine.ps1 -Certificate .\write_filter_package\WDRLocalTestCert.cer -Restart

.EXAMPLE
.\Initialize-TestMachine.ps1 -Certificate .\WDRLocalTestCert.cer -WhatIf

Says what would be done.
#>
#Requires -Version 5.1
[CmdletBinding(SupportsShouldProcess, ConfirmImpact = 'High')]
param(
    [Parameter(Mandatory)]
    [ValidateScript({ Test-Path -LiteralPath $_ -PathType Leaf })]
    [string] $Certificate,

    [switch] $Restart
)

Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
Import-Module -Name (Join-Path -Path $PSScriptRoot -ChildPath 'KmdfTest.psm1') -Force

Assert-Administrator

$secureBoot = $false
try {
    $secureBoot = Confirm-SecureBootUEFI
}
catch [PlatformNotSupportedException] {
    Write-Verbose 'This machine starts without UEFI: there is no Secure Boot.'
}
if ($secureBoot) {
    throw 'Secure Boot is on. Turn it off in the firmware, or in the settings of the virtual machine.'
}

$protected = @(Get-CimInstance -Namespace 'root/cimv2/Security/MicrosoftVolumeEncryption' `
        -ClassName 'Win32_EncryptableVolume' -ErrorAction SilentlyContinue |
        Where-Object { $_.ProtectionStatus -eq 1 -and $_.DriveLetter -eq $env:SystemDrive })
if ($protected.Count -gt 0) {
    throw "BitLocker protects $($env:SystemDrive). Suspend it first: Suspend-BitLocker -MountPoint $($env:SystemDrive)"
}

if ($PSCmdlet.ShouldProcess('this Windows', 'Turn test signing on')) {
    Invoke-Tool -Path 'bcdedit.exe' -Arguments '/set', 'testsigning', 'on' | Out-Null
}

foreach ($store in 'Root', 'TrustedPublisher') {
    if ($PSCmdlet.ShouldProcess("Cert:\LocalMachine\$store", "Trust $Certificate")) {
        Import-Certificate -FilePath $Certificate -CertStoreLocation "Cert:\LocalMachine\$store" | Out-Null
    }
}

$crashControl = 'HKLM:\SYSTEM\CurrentControlSet\Control\CrashControl'
if ($PSCmdlet.ShouldProcess($crashControl, 'Have a crash leave a kernel dump')) {
    Set-ItemProperty -Path $crashControl -Name 'CrashDumpEnabled' -Value 2 -Type DWord
}

if ($Restart -and $PSCmdlet.ShouldProcess('this machine', 'Restart')) {
    Restart-Computer -Force
}
elseif (-not $WhatIfPreference) {
    Write-Output 'Restart Windows: test signing takes effect then.'
}
