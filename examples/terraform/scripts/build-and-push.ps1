<#
.SYNOPSIS
Builds the three images and pushes them, tagged latest, with the time and, for an environment that deploys versions, with
the version.
.DESCRIPTION
Into the account and region that the AWS CLI is configured for. Repositories that do not exist are created.
.EXAMPLE
scripts/build-and-push.ps1 dev
.EXAMPLE
scripts/build-and-push.ps1 staging v1.0.0
#>
param(
    [Parameter(Mandatory)][string]$Environment,
    [string]$Version = ''
)
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
Set-Location (Join-Path $PSScriptRoot '..')

# Windows PowerShell does not stop when a program fails.
function Assert-Success([string]$What) {
    if ($LASTEXITCODE -ne 0) { throw "$What failed with exit code $LASTEXITCODE" }
}

$project = 'creative-automation'
$environments = 'environments' # terraform/environments, if Terraform has a folder of its own
$variables = "$environments/$Environment.tfvars"
if (-not (Test-Path $variables)) { throw "There is no $variables" }
$text = Get-Content -Raw $variables
function Get-Value([string]$Name) {
    [regex]::Match($text, "(?m)^\s*$Name\s*=\s*`"([^`"]*)`"").Groups[1].Value
}
$wanted = Get-Value 'ecr_image_tag'
$region = Get-Value 'region'
$architecture = Get-Value 'architecture'
$platform = @{ x86_64 = 'linux/amd64'; arm64 = 'linux/arm64' }[$architecture]
if (-not $platform) { throw "${variables}: architecture is '$architecture', not x86_64 or arm64" }
if ($wanted -ne 'latest' -and $wanted -ne $Version) {
    throw "$Environment deploys $wanted ($variables), and that is the version to give"
}

$account = aws sts get-caller-identity --query Account --output text
Assert-Success 'aws sts get-caller-identity'
$registry = "$account.dkr.ecr.$region.amazonaws.com"
$password = aws ecr get-login-password --region $region
Assert-Success 'aws ecr get-login-password'
$password | docker login --username AWS --password-stdin $registry
Assert-Success 'docker login'

$time = (Get-Date).ToUniversalTime().ToString('yyyyMMdd-HHmmss')
# With attestations, buildx pushes an index, which Lambda does not take.
$env:BUILDX_NO_DEFAULT_ATTESTATIONS = '1'
$tags = @($time, $Version, 'latest') | Where-Object { $_ }
foreach ($function in 'parser', 'generator', 'variants') {
    $repository = "$project-$function"
    # Listed, not named: the error for one that is not there would end the script.
    $known = aws ecr describe-repositories --region $region --output text `
        --query "repositories[?repositoryName=='$repository'].repositoryName"
    Assert-Success 'aws ecr describe-repositories'
    if (-not $known) {
        Write-Output "Creating the repository $repository"
        aws ecr create-repository --region $region --repository-name $repository `
            --image-scanning-configuration scanOnPush=true | Out-Null
        Assert-Success 'aws ecr create-repository'
    }
    docker build --platform $platform --tag $repository "lambda/$function"
    Assert-Success 'docker build'
    foreach ($tag in $tags) {
        docker tag $repository "${registry}/${repository}:${tag}"
        Assert-Success 'docker tag'
        docker push "${registry}/${repository}:${tag}"
        Assert-Success 'docker push'
    }
}

# Terraform does not see that latest has moved, unless the trigger changes.
$trigger = if ($wanted -eq 'latest') { " -var trigger=$time" } else { '' }
Write-Output 'Pushed. Unless an apply is waiting for these images, deploy them:'
# Quoted, because PowerShell splits an option at its dot.
Write-Output "terraform apply '-var-file=environments/$Environment.tfvars' -var adopt_repositories=true$trigger"
