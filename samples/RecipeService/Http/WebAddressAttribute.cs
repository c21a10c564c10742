using System.ComponentModel.DataAnnotations;

namespace RecipeService.Http;

/// <summary>The text is an absolute address of one of these schemes, names a host and carries no password.</summary>
[AttributeUsage(AttributeTargets.Property | AttributeTargets.Parameter)]
internal sealed class WebAddressAttribute(params string[] schemes) : ValidationAttribute
{
    public override bool IsValid(object? value)
        => value is null // whether it may be missing is for [Required] to say
        || (value is string text
            && Uri.TryCreate(text, UriKind.Absolute, out var address)
            && schemes.Contains(address.Scheme)
            && address.Host.Length > 0
            && address.UserInfo.Length == 0);

    public override string FormatErrorMessage(string name)
        => $"The field {name} must be an absolute address ({string.Join(", ", schemes)}) without user and password.";
}
