using System.Runtime.CompilerServices;
using System.Text;

namespace SafeAmqp.Simulation.Checking;

/// <summary>A promise was broken.</summary>
internal sealed class ViolationException(string message) : Exception(message)
{
    internal static void Require(
        bool condition, [InterpolatedStringHandlerArgument(nameof(condition))] ref Otherwise otherwise)
    {
        if (!condition)
            throw new ViolationException(otherwise.Text);
    }

    internal static void Require(bool condition, string otherwise)
    {
        if (!condition)
            throw new ViolationException(otherwise);
    }

    /// <summary>Writes the text only when it is needed: rules are looked at millions of times and hold.</summary>
    [InterpolatedStringHandler]
    internal readonly ref struct Otherwise
    {
        private readonly StringBuilder? _text;

#pragma warning disable IDE0060 // the compiler passes it
        public Otherwise(int literalLength, int formattedCount, bool condition, out bool isNeeded)
#pragma warning restore IDE0060
        {
            isNeeded = !condition;
            _text = isNeeded ? new StringBuilder(literalLength + 16 * formattedCount) : null;
        }

        internal string Text => _text!.ToString();

        public void AppendLiteral(string text) => _text!.Append(text);

        public void AppendFormatted<T>(T value) => _text!.Append(value);
    }
}
