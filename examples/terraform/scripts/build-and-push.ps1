<#
.SYNOPSIS
Builds the three images and pushes them, tagged latest, with the time and, for an environment that deploys versions, with
the version.
.DESCRIPTION
Into the account and region that the AWS CLI is configured for. Repositories that are not there are created.
.EXAMPLE
scripts/build-and-push.ps1 dev
.EXAMPLE
scripts/build-and-push.ps1 prod v1.0.0
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
$variables = "environments/$Environment.tfvars"
if (-not (Test-Path $variables)) { throw "There is no $variables" }
$text = Get-Content -Raw $variables
$wanted = [regex]::Match($text, '(?m)^ecr_image_tag *= *"(.*)"').Groups[1].Value
$region = [regex]::Match($text, '(?m)^region *= *"(.*)"').Groups[1].Value
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
        Write-Output "Creating the repository $repository; terraform apply then needs -var adopt_repositories=true, once"
        aws ecr create-repository --region $region --repository-name $repository `
            --image-scanning-configuration scanOnPush=true | Out-Null
        Assert-Success 'aws ecr create-repository'
    }
    docker build --platform linux/arm64 --tag $repository "lambda/$function"
    Assert-Success 'docker build'
    foreach ($tag in $tags) {
        docker tag $repository "${registry}/${repository}:${tag}"
        Assert-Success 'docker tag'
        docker push "${registry}/${repository}:${tag}"
        Assert-Success 'docker push'
    }
}
Write-Output "Pushed. If it is not running already: terraform apply -var-file=$variables"
