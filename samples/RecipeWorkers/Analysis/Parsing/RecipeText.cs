namespace RecipeWorkers.Analysis.Parsing;

/// <summary>Reads a whole text: walks its lines through the sections and gathers the ingredients.</summary>
internal sealed class RecipeText
{
    // From so many listed entries on, sentences outside the list are taken for talk about it.
    private const int ListIsComplete = 3;

    private readonly List<Found> _found = [];
    private readonly List<List<Token>> _prose = [];
    private readonly string? _dish;
    private Section _section = Section.None;

    private RecipeText(string? dish) => _dish = dish;

    public static (string? Dish, IReadOnlyList<Found> Ingredients) Read(string text)
    {
        string normalized = TextNormalizer.Normalize(text);
        var lines = normalized.Split('\n').Select(line => line.Trim()).Where(line => line.Any(char.IsLetter)).ToList();
        string? dish = DishFinder.Find(lines);
        var reader = new RecipeText(dish);
        for (int i = 0; i < lines.Count; i++)
            reader.ReadLine(lines[i], isTitle: i == 0 && DishFinder.IsTitle(lines));
        reader.ReadProse();
        return (dish is null ? null : TextNormalizer.AsWritten(dish, text), reader._found);
    }

    private void ReadLine(string line, bool isTitle)
    {
        if (Heading.Find(line, out string? rest) is { } section)
        {
            _section = section;
            if (rest.Any(char.IsLetter)) ReadSentences(rest);
            return;
        }

        if (line.StartsWith('#')) _section = _section == Section.Ingredients ? _section : Section.None;
        else if (!isTitle && !Heading.IsMeta(line) && !DishFinder.IsLabelled(line)) ReadSentences(line);
    }

    private void ReadSentences(string line)
    {
        var tokens = Sentences.WithoutBullet(Tokenizer.Tokenize(line), out bool isBulleted, out bool isNumbered);
        foreach (var sentence in Sentences.Split(tokens))
            ReadSentence(sentence, isBulleted, isNumbered);
    }

    private void ReadSentence(List<Token> sentence, bool isBulleted, bool isNumbered)
    {
        if (Sentences.TrySplitLabel(sentence, out var label, out var rest))
        {
            var section = Heading.Find(string.Join(' ', label.Select(token => token.Text)), out _);
            if (section is { } opened) _section = opened;
            if (rest.Count > 0) ReadSentence(rest, isBulleted, isNumbered);
            return;
        }

        switch (_section)
        {
            case Section.Aside:
                return;
            case Section.Ingredients when !Sentences.IsStep(sentence) || (isBulleted && !isNumbered):
                _found.AddRange(ItemParser.Parse(sentence));
                return;
            case Section.Ingredients:
                _section = Section.Method;
                break;
            case Section.None when Sentences.IsItem(sentence, isBulleted):
                _found.AddRange(ItemParser.Parse(sentence));
                return;
        }

        _prose.Add(sentence);
    }

    // Sentences come last: what they may add depends on what the list turned out to have.
    private void ReadProse()
    {
        var scanner = new ProseScanner(_found, isMeasuredOnly: _found.Count >= ListIsComplete);
        var dish = _dish is null
            ? []
            : Tokenizer.Tokenize(TextNormalizer.Normalize(_dish)).Select(token => token.Text).ToList();
        bool isFood = Lexicon.Find(dish) is not null;
        foreach (var sentence in _prose)
            scanner.Scan(WithoutDish(sentence, dish, isFood));
    }

    private static List<Token> WithoutDish(List<Token> sentence, List<string> dish, bool isFood)
    {
        if (dish.Count == 0) return sentence;
        for (int i = 0; i + dish.Count <= sentence.Count; i++)
            if (sentence.Skip(i).Take(dish.Count).Select(token => token.Text).SequenceEqual(dish))
            {
                // "I cook rice in ..." speaks of the food, "what do I need for lasagne?" of the dish.
                if (isFood && i + dish.Count < sentence.Count) return sentence;
                return [.. sentence.Take(i), new Token(TokenKind.Colon, ":", ":"), .. sentence.Skip(i + dish.Count)];
            }

        return sentence;
    }
}
